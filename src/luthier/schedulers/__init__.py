"""Schedulers and pruners: each decides whether a training goes on; see `protocol.py` for what one is."""

from .patient import PatientPruner as PatientPruner
from .percentile import MedianPruner as MedianPruner
from .percentile import PercentilePruner as PercentilePruner
from .protocol import Decision as Decision
from .protocol import Scheduler as Scheduler
from .successive_halving import SuccessiveHalvingPruner as SuccessiveHalvingPruner
from .threshold import ThresholdPruner as ThresholdPruner
