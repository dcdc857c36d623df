"""Imported first by every task: says which libraries are missing, and how to get them all."""

from importlib.util import find_spec

from ..errors import MissingDependency

for _name, _import in (("PyTorch", "torch"), ("scikit-learn", "sklearn"), ("Pillow", "PIL")):
    if find_spec(_import) is None:
        raise MissingDependency(f"tasks need {_name}: pip install 'luthier[train]'")
