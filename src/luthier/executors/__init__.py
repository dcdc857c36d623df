"""Executors: where the trials of `Study.optimize` run; `protocol.py` says what one is."""

from .inline import InlineExecutor as InlineExecutor
from .mapping import parallel_map as parallel_map
from .processes import ProcessExecutor as ProcessExecutor
from .processes import usable_cores as usable_cores
from .protocol import Executor as Executor
from .protocol import Outcome as Outcome
from .protocol import TrialSource as TrialSource
