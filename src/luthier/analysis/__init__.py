"""Explanations in numbers: which parameters matter, which interact, what changed from the default to the best."""

from .effects import Change as Change
from .effects import Effect as Effect
from .effects import Interaction as Interaction
from .effects import changed as changed
from .effects import effect as effect
from .effects import interaction as interaction
from .errors import AnalysisError as AnalysisError
from .forest import Forest as Forest
from .forest import fit_forest as fit_forest
from .importance import Importance as Importance
from .importance import Share as Share
from .importance import importance as importance
