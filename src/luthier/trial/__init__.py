"""Trials: the record that stores keep, the live one that an objective holds, and the rule for results."""

from .record import TRANSITIONS, TrialRecord, TrialState, check_transition
from .trial import Session, Trial

__all__ = ["TRANSITIONS", "Session", "Trial", "TrialRecord", "TrialState", "check_transition"]
