"""Every error that Luthier raises on purpose; each message says what was wrong, where, and what to do."""

import os

_CLONE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - pathlib is slow to import
"""Where pyproject.toml lies, if this is a clone of the repository."""


class LuthierError(Exception):
    """Catch this to catch all errors that Luthier raises on purpose.

    >>> import luthier as lt
    >>> try:
    ...     lt.Float(1, 0)
    ... except lt.LuthierError as error:
    ...     print(type(error).__name__)
    SpaceError
    """


class SpaceError(LuthierError, ValueError):
    """A search space, a domain, a condition or a configuration that cannot be right."""


class SearchSpaceExhausted(LuthierError):
    """Every configuration was tried: the study has nothing left to ask for, and may stop."""


class StaleProposal(LuthierError):
    """A trial was asked for with parameters for one number alone, and that number went to another: propose again."""


class ObjectiveError(LuthierError, ValueError):
    """An objective returned (or was told) something that is not a result."""


class TrialPruned(LuthierError):
    """Raise this in an objective to end its trial early: the trial is PRUNED, with its last report as its value.

    >>> import luthier as lt
    >>> def objective(trial):
    ...     trial.report(0.5, step=1)
    ...     raise lt.TrialPruned
    >>> study = lt.create_study()
    >>> study.optimize(objective, n_trials=1)
    >>> study.trials[0].state.name, study.trials[0].values
    ('PRUNED', (0.5,))
    """


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
    """The trial was given to another owner; what this one writes to it no longer counts."""


class StorageError(LuthierError):
    """The storage cannot be used: its cause is chained."""


class StorageBusy(StorageError):
    """The storage stayed locked by others until the deadline."""


class SchemaTooNew(StorageError):
    """The storage was written by a newer version of Luthier."""


class DataError(LuthierError, ValueError):
    """A data set that cannot be read or cannot be learned from."""


class SealBroken(LuthierError):
    """A sealed test set was opened a second time."""


class TrainingError(LuthierError, ValueError):
    """A training that cannot start as it was described, or a checkpoint that does not fit it."""


class MissingDependency(LuthierError, ImportError):
    """A library that an extra of Luthier brings is not installed."""


class AnalysisError(LuthierError, ValueError):
    """Says that the trials do not suffice for an explanation: too few, or all of the same value.

    >>> import luthier as lt
    >>> from luthier.analysis import AnalysisError, importance
    >>> try:
    ...     importance(lt.create_study(space={"x": lt.Float(0, 1)}).history)
    ... except AnalysisError as error:
    ...     print(error)
    the study has 0 complete trials, an explanation needs at least 5
    """


class UsageError(LuthierError):
    """The command cannot be run as it was written."""


def missing(need: str, extra: str) -> MissingDependency:
    """Return the error for a library that is not installed, with the command that installs it as Luthier was installed.

    Args:
        need: what needs which library, such as "pictures need plotly".
        extra: the extra of Luthier that brings it.
    """
    return MissingDependency(f"{need}: {_install(extra)}")


def _install(extra: str) -> str:
    """The command for a clone, for a directory, archive or repository that pip was given, or for the index."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    if os.path.isfile(os.path.join(_CLONE, "pyproject.toml")):  # noqa: PTH113, PTH118
        return f'pip install -e "{_CLONE}[{extra}]"'
    try:
        text = distribution("luthier").read_text("direct_url.json")
    except PackageNotFoundError:  # copied rather than installed
        text = None
    if text is None:
        return f'pip install "luthier[{extra}]"'
    origin = json.loads(text)
    url = origin["url"]
    if "dir_info" in origin:
        return f'pip install "{url2pathname(urlsplit(url).path)}[{extra}]"'
    if "vcs_info" in origin:
        url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
    return f'pip install "luthier[{extra}] @ {url}"'
