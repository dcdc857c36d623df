"""Imported first by every task: raises an error that lists missing libraries and how to install them."""

from importlib.util import find_spec

from ..errors import missing

for _name, _import in (("PyTorch", "torch"), ("scikit-learn", "sklearn"), ("Pillow", "PIL")):
    if find_spec(_import) is None:
        raise missing(f"tasks need {_name}", "train")
