"""Repair of a damaged journal: all frames that are whole, in a new file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import StorageError
from ...trial import TrialRecord, TrialState
from ..codec import from_json, to_json
from ..state import Change
from .file import is_at, write_journal
from .framing import MAGIC, frame, header_id, stretches
from .lock import Patience, ThreadsLock, lock_descriptor
from .state import JournalState, trial_entry


@dataclass(frozen=True, slots=True)
class Repaired:
    """Says what a repair did; `repair_journal` returns it.

    >>> import luthier as lt
    >>> from luthier.stores.journal import repair_journal
    >>> study = lt.create_study(storage="study.journal", study_name="mine")
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> repaired = repair_journal("study.journal", out="copy.journal")
    >>> repaired.damaged, repaired.backup, repaired.studies
    ((), None, {'mine': 2})

    Attributes:
        path: the whole journal; the one that was given where that was whole already.
        backup: the damaged file; None where it was left in its place.
        saved: how many records were saved.
        damaged: (offset, length in bytes) of each stretch that is lost.
        orphans: how many whole records were lost with the record of their study.
        failed: by study, the trials that were lost whole: they are FAIL now, for numbers have no gaps.
        studies: by study, how many trials it has.
    """

    path: Path
    backup: Path | None
    saved: int
    damaged: tuple[tuple[int, int], ...]
    orphans: int
    failed: dict[str, tuple[int, ...]]
    studies: dict[str, int]


def repair_journal(path: str | Path, out: str | Path | None = None, *, timeout: float = 60.0) -> Repaired:
    """Save what is whole of a journal; others may have it open, and go on with the repaired file.

    >>> import luthier as lt
    >>> from pathlib import Path
    >>> from luthier.stores.journal import repair_journal
    >>> study = lt.create_study(storage="study.journal", study_name="mine")
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
    >>> content = bytearray(Path("study.journal").read_bytes())
    >>> content[len(content) // 2] ^= 1  # a bit falls over
    >>> written = Path("study.journal").write_bytes(content)
    >>> repaired = repair_journal("study.journal")
    >>> len(repaired.damaged), repaired.backup.name, repaired.studies
    (1, 'study.journal.damaged', {'mine': 3})

    A trial falls back to the last of its records that is whole. A file without damage is left alone, and copied if
    `out` is given.

    Args:
        path: of the journal.
        out: where to; None for its own place, with the damaged file kept as `FILE.damaged`.
        timeout: seconds to wait for others.

    Raises:
        StorageError: it is not a journal, cannot be read, or `out` exists.
        SchemaTooNew: a newer version of Luthier wrote it.
        StorageBusy: others held it locked for `timeout` seconds.
    """
    path, out = Path(path), None if out is None else Path(out)
    if out is not None and out.exists():
        raise StorageError(f"{out} exists: choose another --out")
    with _locked(path, Patience(path, timeout), exclusive=out is None) as fd:
        return _repair(fd, path, out)


@contextmanager
def _locked(path: Path, patience: Patience, *, exclusive: bool) -> Iterator[int]:
    """What lies at a path, open and locked."""
    with ThreadsLock(path).held(patience):
        while True:
            try:
                fd = os.open(path, os.O_RDWR if exclusive else os.O_RDONLY)
            except OSError as error:
                raise StorageError(f"{path} cannot be opened: {error.strerror}") from error
            try:
                lock_descriptor(fd, patience, path, exclusive=exclusive)
                if is_at(path, fd):  # not one that was replaced meanwhile
                    yield fd
                    return
            finally:
                os.close(fd)  # and unlock it


def _repair(fd: int, path: Path, out: Path | None) -> Repaired:
    with os.fdopen(os.dup(fd), "rb") as file:
        data = file.read()
    kept, damaged = _sorted_out(data, path)
    state, saved = JournalState(), []
    for text in kept:
        try:
            state.apply_entry(from_json(text))
        except KeyError:  # its study's record is lost
            continue
        saved.append(text)
    failed = _fill_gaps(state, saved)
    backup = None
    if out is not None:
        write_journal(out, map(frame, saved), like=fd)
    elif damaged:
        backup = _free_name(path)
        os.link(path, backup)
        write_journal(path, map(frame, saved), like=fd)
    return Repaired(
        path=out or path,
        backup=backup,
        saved=len(saved) - sum(map(len, failed.values())),
        damaged=damaged,
        orphans=len(kept) - len(saved) + sum(map(len, failed.values())),
        failed=failed,
        studies={name: len(study.trials) for name, study in state.studies.items()},
    )


def _sorted_out(data: bytes, path: Path) -> tuple[list[str], tuple[tuple[int, int], ...]]:
    """The texts of whole frames without the header, and the stretches between them."""
    header_id(data.partition(b"\n")[0] + b"\n", path)  # refuses a newer schema
    kept: list[str] = []
    damaged = []
    for start, end, texts in stretches(data):
        kept += texts
        if not texts:
            damaged.append((start, end - start))
    if not kept:
        raise StorageError(f"{path} contains no intact record of a Luthier journal: there is nothing to save")
    if kept[0].startswith('{"magic":"' + MAGIC):
        del kept[0]
    return kept, tuple(damaged)


def _fill_gaps(state: JournalState, saved: list[str]) -> dict[str, tuple[int, ...]]:
    """Append a failed trial for every number that is lost, which is returned by study."""
    failed = {}
    for name, study in state.studies.items():
        lost = sorted(set(range(max(study.trials, default=-1) + 1)) - set(study.trials))
        for number in lost:
            error = "the record of this trial was damaged, and `luthier repair` could not save it"
            time = state.time
            record = TrialRecord(number, TrialState.FAIL, error=error, created=time, finished=time)
            entry = {**trial_entry(name, Change(record), study.revision + 1), "time": time}
            saved.append(to_json(entry))
            state.apply_entry(entry)
        if lost:
            failed[name] = tuple(lost)
    return failed


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged{suffix}") for suffix in ("", *(f"-{i}" for i in range(2, 1000))))
    return next(name for name in names if not name.exists())
