"""Trials: the record that stores keep, the live one that an objective holds, and the rule for results."""

from .record import ACTIVE, FINISHED, TRANSITIONS, TrialRecord, TrialState, check_transition
from .trial import Session, Trial

__all__ = ["ACTIVE", "FINISHED", "TRANSITIONS", "Session", "Trial", "TrialRecord", "TrialState", "check_transition"]
