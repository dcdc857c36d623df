"""Explanations in numbers: which parameters matter, which interact, what changed from the default to the best."""

from ..errors import AnalysisError as AnalysisError
from ..surrogates.forest import Forest as Forest
from ..surrogates.forest import fit_forest as fit_forest
from .effects import Difference as Difference
from .effects import Effect as Effect
from .effects import Interaction as Interaction
from .effects import changed as changed
from .effects import effect as effect
from .effects import interaction as interaction
from .importance import Importance as Importance
from .importance import Share as Share
from .importance import importance as importance
from .recommend import expected_order as expected_order
