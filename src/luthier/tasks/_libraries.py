"""Imported first by every task: says which libraries are missing, and how to get them all."""

from importlib.util import find_spec

from ..errors import missing

for _name, _import in (("PyTorch", "torch"), ("scikit-learn", "sklearn"), ("Pillow", "PIL")):
    if find_spec(_import) is None:
        raise missing(f"tasks need {_name}", "train")
