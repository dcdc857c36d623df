"""Schedulers and pruners: each decides whether a training goes on; `protocol.py` says what one is."""

from .protocol import Decision as Decision
from .protocol import Scheduler as Scheduler
