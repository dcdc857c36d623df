"""trials_dataframe: trials as a pandas DataFrame, with the columns that Optuna gives them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import missing
from ..trial import TrialRecord

if TYPE_CHECKING:
    from pandas import DataFrame as DataFrame

ATTRS = ("number", "value", "datetime_start", "datetime_complete", "duration", "params", "user_attrs", "state")
_MORE = ("constraints", "intermediate_values", "error", "retries")


def trials_dataframe(
    trials: Sequence[TrialRecord],
    objectives: int,
    names: Sequence[str] | None,
    attrs: Iterable[str] = ATTRS,
    multi_index: bool = False,
) -> DataFrame:
    """One row for each trial; see `Study.trials_dataframe`."""
    try:
        import pandas
    except ImportError as error:
        raise missing("trials_dataframe needs pandas", "pandas") from error
    wanted = [attrs] if isinstance(attrs, str) else list(attrs)
    for attr in wanted:
        if attr not in (*ATTRS, "values", *_MORE):
            raise ValueError(f"attrs has {attr!r}, which is unknown: choose from {', '.join((*ATTRS, *_MORE))}")
    labels = list(names) if names is not None else list(range(objectives))
    rows = [dict(cell for attr in wanted for cell in _cells(trial, attr, labels)) for trial in trials]
    columns: dict[tuple[str, str], None] = {}
    for attr in wanted:  # in the order of attrs; within one, as trials show them
        if attr not in ("params", "user_attrs", "constraints", "intermediate_values"):
            columns |= dict.fromkeys(_columns(attr, labels))
        columns |= dict.fromkeys(key for row in rows for key in row if key[0] == _group(attr, labels))
    frame = pandas.DataFrame({key: [row.get(key) for row in rows] for key in columns}, columns=list(columns))
    if multi_index:
        frame.columns = pandas.MultiIndex.from_tuples(list(columns)) if columns else frame.columns
    else:
        frame.columns = pandas.Index(["_".join(filter(None, key)) for key in columns])
    return frame


def _group(attr: str, labels: Sequence[Any]) -> str:
    if attr in ("value", "values"):
        return "value" if len(labels) == 1 else "values"
    return attr


def _columns(attr: str, labels: Sequence[Any]) -> list[tuple[str, str]]:
    group = _group(attr, labels)
    return [(group, str(label)) for label in labels] if group == "values" else [(group, "")]


def _cells(trial: TrialRecord, attr: str, labels: Sequence[Any]) -> list[tuple[tuple[str, str], Any]]:
    if attr in ("value", "values"):
        values = trial.values if trial.values is not None else (None,) * len(labels)
        return list(zip(_columns(attr, labels), values, strict=True))
    if attr == "params":
        return [((attr, name), value) for name, value in trial.params.items()]
    if attr == "user_attrs":
        return [((attr, name), value) for name, value in trial.attrs.items()]
    if attr == "constraints":
        return [((attr, str(i)), value) for i, value in enumerate(trial.constraints)]
    if attr == "intermediate_values":
        return [((attr, str(step)), value) for step, value in trial.reports]
    plain: dict[str, Any] = {
        "number": trial.number,
        "datetime_start": None if trial.started is None else datetime.fromtimestamp(trial.started),
        "datetime_complete": None if trial.finished is None else datetime.fromtimestamp(trial.finished),
        "duration": None if trial.seconds is None else timedelta(seconds=trial.seconds),
        "state": trial.state.name,
        "error": trial.error,
        "retries": trial.retries,
    }
    return [((attr, ""), plain[attr])]
