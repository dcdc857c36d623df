"""Studies in a journal: every call locks the file, reads what others added, decides, appends one entry."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...errors import StorageError
from ...trial import TrialRecord
from ..changes import new_first_revision
from ..codec import to_json
from ..protocol import StudyRecord
from ..state import Change, StudyState
from ..state_store import StateStore
from .file import JournalFile
from .state import (
    Entry,
    JournalState,
    delete_entry,
    lease_entry,
    new_study_entry,
    study_entry,
    trial_entry,
    trials_entry,
)

_SCHEME = "journal:///"


class JournalStore(StateStore):
    """Keeps studies in one append-only file, for all machines that share its file system. The promises are
    `protocol`'s.

    >>> import luthier as lt
    >>> study = lt.create_study(storage="study.journal", study_name="mine", seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    >>> from luthier.stores.journal import JournalStore
    >>> store = JournalStore("study.journal")
    >>> store.compact()
    >>> len(lt.load_study("mine", storage=store).trials)
    2
    >>> store.close()

    Safe for threads and processes; a forked process may go on with its parent's store. The file system must have
    fcntl locks that hold between machines (NFS 4, Lustre with `flock`, GPFS, CephFS). All is on the disk when a
    call returns, except for `write` (reports, renewed leases), which the next call of another kind takes along.

    Lease time is the clock of whichever machine makes a call, but never earlier than the latest time in the
    journal. So time never runs backwards; where one machine's clock is ahead, the others' stands still until
    they catch up, and leases last up to that much longer. Keep clocks in step (NTP), and leases well above what
    they differ by.

    Args:
        url_or_path: "study.journal", or "journal:///study.journal"; the file is made if it is not there.
        timeout: seconds to wait for other processes' locks, which they hold for milliseconds, before
            `StorageBusy`; a minute outlasts a slow disk.

    Raises:
        StorageError: it cannot be opened, is damaged, or is not Luthier's.
        SchemaTooNew: a newer version of Luthier wrote it.
        StorageBusy: others held it locked for `timeout` seconds.
    """

    shared = True

    def __init__(self, url_or_path: str | Path, *, timeout: float = 60.0) -> None:
        self._place = Path(str(url_or_path).removeprefix(_SCHEME))
        self._file = JournalFile(self._place, timeout)
        self._state = JournalState()
        self._id = ""
        try:
            with self._reading():
                pass
        except BaseException:
            self._file.close()
            raise

    @property
    def url(self) -> str:
        """What opens the same store in another process."""
        return f"{_SCHEME}{self._file.path}"

    def now(self) -> float:
        """This machine's clock, or the latest time in the journal where that is later; seconds since the epoch."""
        return max(time.time(), self._state.time)

    def compact(self) -> None:
        """Write the file anew with the present state alone; other processes go on with the new file by themselves.

        Raises:
            StorageError: it cannot be written, and the file is as it was.
        """
        with self._writing() as state:
            self._file.replace(to_json({**entry, "time": self.now()}) for entry in state.entries())

    def close(self) -> None:
        """Close the file; the store is not used afterwards."""
        self._file.close()

    @contextmanager
    def _reading(self) -> Iterator[JournalState]:
        with self._file.locked(exclusive=False) as file_id:
            yield self._refreshed(file_id)

    @contextmanager
    def _writing(self) -> Iterator[JournalState]:
        with self._file.locked(exclusive=True) as file_id:
            yield self._refreshed(file_id)

    def _refreshed(self, file_id: str) -> JournalState:
        if file_id != self._id:
            self._state = JournalState()
            self._id = file_id
        self._read_on()
        return self._state

    def _read_on(self) -> None:
        try:
            for texts in self._file.news():
                self._state.apply(texts)
        except (
            BaseException
        ) as error:  # Ctrl-C may have come between two entries: what was read is only part of a state
            self._file.rewind()
            self._id = ""
            if isinstance(error, KeyError | TypeError | ValueError | IndexError | AttributeError):
                raise StorageError(
                    f"{self._place} contains an intact record that is not valid ({error!r}): something other "
                    f"than Luthier wrote it, or this is a bug. `luthier repair {self._place}` saves the others"
                ) from error
            raise

    # -- how changes are kept: appended, then read back as every other process does

    def _append(self, entry: Entry, *, durable: bool = True) -> None:
        self._file.append(to_json({**entry, "time": self.now()}), durable=durable)
        self._read_on()

    def _add(self, record: StudyRecord, trials: Sequence[TrialRecord]) -> None:
        self._append(new_study_entry(record, new_first_revision(), trials))

    def _remove(self, name: str) -> None:
        self._append(delete_entry(name))

    def _put_record(self, study: StudyState, record: StudyRecord) -> None:
        self._append(study_entry(record, study.first, study.revision + 1))

    def _put(self, study: StudyState, *new: Change) -> None:
        self._append(trials_entry(study.record.name, new, study.revision + 1))

    def _put_soon(self, study: StudyState, new: Change) -> None:
        self._append(trial_entry(study.record.name, new, study.revision + 1), durable=False)

    def _renew(self, study: StudyState, number: int, ends: float) -> None:
        self._append(lease_entry(study.record.name, number, ends), durable=False)
