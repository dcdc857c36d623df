"""Executors: where the trials of `Study.optimize` run; see `protocol.py` for what one is.

Worker processes are in `executors.processes`, which is imported by those who use it."""

from .inline import InlineExecutor as InlineExecutor
from .protocol import Executor as Executor
from .protocol import Outcome as Outcome
from .protocol import TrialSource as TrialSource
from .protocol import evaluate as evaluate
