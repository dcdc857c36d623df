"""Study: the face of a search: `create_study`, `load_study`, and what one can do with a study."""

from .create import create_study as create_study
from .create import load_study as load_study
from .study import Study as Study
