"""Every error that Luthier raises on purpose; each message says what was wrong, where, and what to do."""


class LuthierError(Exception):
    """Base of all errors that Luthier raises on purpose."""


class SpaceError(LuthierError, ValueError):
    """A search space, a domain, a condition or a configuration that cannot be right."""


class SearchSpaceExhausted(LuthierError):
    """Every configuration was tried: the study has nothing left to ask for, and may stop."""


class ObjectiveError(LuthierError, ValueError):
    """An objective returned (or was told) something that is not a result."""


class TrialPruned(LuthierError):
    """Raised by an objective to say that its trial was stopped early."""


class StudyExists(LuthierError):
    """A study of that name is already in the storage."""


class StudyNotFound(LuthierError, KeyError):
    """No study of that name is in the storage."""

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0]) if self.args else ""


class TrialNotFound(LuthierError, KeyError):
    """The study has no trial of that number."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TrialNotRunning(LuthierError):
    """A trial was told or written to that is finished, or was never started."""


class ConflictingTell(TrialNotRunning):
    """A finished trial was told again with another result."""


class LeaseLost(LuthierError):
    """The trial was given to another owner; what this one says of it no longer counts."""


class StorageError(LuthierError):
    """The storage cannot be used: its cause is chained."""


class StorageBusy(StorageError):
    """The storage stayed locked by others until the deadline."""


class SchemaTooNew(StorageError):
    """The storage was written by a newer Luthier than this one."""


class DataError(LuthierError, ValueError):
    """A data set that cannot be read or cannot be learned from."""


class SealBroken(LuthierError):
    """A sealed test set was opened a second time."""


class TrainingError(LuthierError, ValueError):
    """A training that cannot start as it was described, or a checkpoint that does not fit it."""


class MissingDependency(LuthierError, ImportError):
    """A library that an extra of Luthier brings is not installed."""
