"""The baseline's trial, which is known by its attribute: re-runs call it None, and its number is of no meaning."""

from __future__ import annotations

from collections.abc import Sequence

from ..trial import TrialRecord

BASELINE = "baseline"
"""The attribute."""


def baseline_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the trial of the defaults, if there is one yet."""
    return next((record for record in records if record.attrs.get(BASELINE)), None)


def record_of(records: Sequence[TrialRecord], number: int | None) -> TrialRecord:
    """Return the trial that a candidate of the re-runs is: that of its number, or the baseline's for None."""
    baseline = baseline_of(records) if number is None else records[number]
    return records[0] if baseline is None else baseline
