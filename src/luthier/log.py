"""The log "luthier": a line for each finished trial, and `set_verbosity`.

A library leaves handlers and levels to the program. Where the program has set up logging, its handlers get the lines
and its levels decide. Where it has not, lines from INFO on are written to the terminal, as Python itself does from
WARNING on; from WARNING on only while a progress bar is drawn.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from .terminal import Shown
from .trial import TrialRecord, TrialState

INFO, WARNING = 20, 30  # as in `logging`, whose import takes a third as long as this package's
_LEVELS = {"debug": 10, "info": INFO, "warning": WARNING, "error": 40, "critical": 50}
_PARAMS_WIDTH, _NOTE_WIDTH, _VALUE_WIDTH = 160, 2000, 40


def set_verbosity(level: int | str) -> None:
    """Set from which level on Luthier's messages are shown: "info" has a line for each finished trial.

    >>> import luthier as lt
    >>> lt.set_verbosity("warning")  # failed trials and lost workers, not every trial
    >>> lt.set_verbosity("info")  # every trial, beside a progress bar too

    The same as `logging.getLogger("luthier").setLevel(level)`.

    Args:
        level: "debug", "info", "warning", "error" or "critical", or a level of `logging`.

    Raises:
        ValueError: the level is not one of these.
    """
    import logging

    number = _LEVELS.get(level.lower()) if isinstance(level, str) else level
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"level={level!r}: give one of {', '.join(map(repr, _LEVELS))}, or a level of `logging`")
    logging.getLogger("luthier").setLevel(number)


class TrialLog:
    """Where one run of `optimize` writes its lines.

    Args:
        bar: whether a progress bar is drawn meanwhile.
    """

    def __init__(self, bar: bool) -> None:
        import logging

        self._logger = logging.getLogger("luthier")
        self._default = WARNING if bar else INFO
        self._set_up = self._logger.hasHandlers()  # by the program

    def finished(self, record: TrialRecord, best: Callable[[], TrialRecord | None], *, raised: bool = False) -> None:
        """Write the line of a finished trial: a warning if it failed, unless what it raised comes out of the run.

        Args:
            record: the trial.
            best: the best of the study so far; called only if the line is shown.
            raised: whether the run raises what the objective raised.
        """
        level = WARNING if record.state is TrialState.FAIL and not raised else INFO
        if self._shows(level):
            self._write(level, finished_line(record, best()))

    def _shows(self, level: int) -> bool:
        logger = self._logger
        if self._set_up:
            return logger.isEnabledFor(level)
        return level >= (logger.level or self._default) and level > logger.manager.disable and not logger.disabled

    def _write(self, level: int, text: str) -> None:
        if self._set_up:
            self._logger.log(level, "%s", text)
        elif sys.stderr is not None:
            Shown(sys.stderr).write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")


def warn_of_failure(record: TrialRecord) -> None:
    """Write the line of a trial that was told a result and counts as failed all the same, outside a run of optimize."""
    TrialLog(bar=False).finished(record, lambda: None)


def add_trial_note(error: BaseException, number: int, params: Mapping[str, Any], there: str | None = None) -> None:
    """Let an error of an objective say which trial raised it.

    Args:
        error: what was raised.
        number: of the trial.
        params: of the trial, as far as it asked for them.
        there: the traceback of the worker where it was raised, which a traceback here does not show.
    """
    shown = short_params(params, _NOTE_WIDTH)
    note = f"raised by the objective in trial {number}" + (f", with {shown}" if shown else "")
    error.add_note(f"{note}; in a worker:\n{there}" if there else note)


def finished_line(record: TrialRecord, best: TrialRecord | None) -> str:
    """Return the log line of a finished trial.

    Args:
        record: the trial.
        best: the best of the study so far; None where there is none, or there are several objectives.
    """
    what = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}.get(record.state, "failed")
    if record.state is TrialState.FAIL:
        what += f": {_reason(record.error)}"
    elif record.values is not None:
        shown = ", ".join(f"{value:.6g}" for value in record.values)
        what += f": {shown}" if len(record.values) == 1 else f": ({shown})"
    parts = [f"trial {record.number} {what}"]
    if record.seconds is not None:
        parts.append(f"{record.seconds:.3g} s")
    parts.append(short_params(record.params))
    if best is not None and best.value is not None:
        parts.append(
            "the best so far" if best.number == record.number else f"best {best.value:.6g} (trial {best.number})"
        )
    return " · ".join(part for part in parts if part)


def short_params(params: Mapping[str, Any], width: int = _PARAMS_WIDTH) -> str:
    """Return parameters in about this many characters: "lr=0.001, layers=3"."""
    parts: list[str] = []
    for name, value in params.items():
        text = f"{value:.4g}" if type(value) is float else repr(value)
        parts.append(f"{name}={text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 1] + '…'}")
        if sum(map(len, parts)) + 2 * len(parts) > width and len(parts) < len(params):
            parts.append(f"and {len(params) - len(parts)} more")
            break
    return ", ".join(parts)


def _reason(error: str | None) -> str:
    lines = (error or "no reason given").strip().splitlines()
    text = lines[-1] if lines else "no reason given"
    return text if len(text) <= _PARAMS_WIDTH else text[: _PARAMS_WIDTH - 1] + "…"
