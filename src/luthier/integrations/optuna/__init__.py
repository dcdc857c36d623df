"""Optuna: its studies read into Luthier, and Luthier's samplers inside its studies.

Nothing else in Luthier imports Optuna. What the two say differently: a trial that runs in Optuna waits after an
import; a COMPLETE trial with an infinite value counts as FAIL; constraints go by position, not by name.
"""

from ...errors import missing as _missing

try:
    import optuna as _optuna  # noqa: F401  first, so that its absence is explained
except ImportError as _error:
    raise _missing("this needs Optuna", "optuna") from _error
from .sampler import OptunaSampler as OptunaSampler
from .studies import import_study as import_study
