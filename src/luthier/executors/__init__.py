"""Executors: where the trials of `Study.optimize` run; `protocol.py` says what one is."""

from .inline import InlineExecutor as InlineExecutor
from .processes import ProcessExecutor as ProcessExecutor
from .protocol import Executor as Executor
from .protocol import Outcome as Outcome
from .protocol import TrialSource as TrialSource
