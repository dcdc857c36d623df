"""Studies between storages: copied, written to a file of JSON lines, read from one, and checked.

The file: a line with its format, then for each study a line with the number of its trials, and a line for
each trial. Values are written as `codec` does, so NaN and the infinities survive.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import LuthierError, SchemaTooNew, StorageError, StudyExists
from ..trial import TrialRecord, TrialState
from .codec import from_json, to_json
from .files import written_whole
from .protocol import Store, StudyRecord

if TYPE_CHECKING:
    from pathlib import Path  # which is slow to import

FORMAT = 1
StudyDump: TypeAlias = tuple[StudyRecord, list[TrialRecord]]
"""A study with all its trials."""


def read_studies(store: Store, name: str | None = None) -> list[StudyDump]:
    """Return the study of that name, or all, oldest first. Raises `StudyNotFound`."""
    found = []
    for study in store.studies() if name is None else [store.study(name)]:
        records = store.changes(study.name, 0)[1]
        found.append((store.study(study.name), records))  # read last: it knows every parameter of the records
    return found


def add_studies(store: Store, studies: Sequence[StudyDump]) -> None:
    """Add studies with their trials: all of them, or none.

    Raises:
        StudyExists: the store has a study of one of the names, or two of them have the same name.
        StorageError, ObjectiveError: as `Store.load`.
    """
    taken = {study.name for study in store.studies()}
    for study, _ in studies:
        if study.name in taken:
            raise StudyExists(
                f"the target already has a study {study.name!r}, so nothing was added: choose another target"
            )
        taken.add(study.name)
    added: list[str] = []
    try:
        for study, records in studies:
            store.load(study, records)
            added.append(study.name)
    except BaseException:
        for name in added:
            store.delete_study(name)
        raise


def copy_studies(source: Store, target: Store, name: str | None = None) -> list[StudyDump]:
    """Copy one study or all, with numbers, states, values, reports, attributes and times.

    Trials that run in the source wait in the target. Returns what was copied; raises as `add_studies`.
    """
    studies = read_studies(source, name)
    add_studies(target, studies)
    return studies


# -- JSON lines


def to_lines(studies: Iterable[StudyDump]) -> Iterator[str]:
    """Return the lines of a file of studies, without their ends."""
    yield to_json({"luthier": "studies", "format": FORMAT})
    for study, records in studies:
        yield to_json({"study": asdict(study), "trials": len(records)})
        for record in records:
            yield to_json({"trial": {**asdict(record), "state": record.state.name}})


def from_lines(lines: Iterable[str]) -> list[StudyDump]:
    """Return the studies of lines that `to_lines` wrote.

    Raises:
        SchemaTooNew: a newer version of Luthier wrote them.
        StorageError: they are something else, or not whole; the message names the line.
    """
    studies: list[StudyDump] = []
    expected = 0
    number = 0
    for number, line in enumerate(lines, 1):
        try:
            data = from_json(line)
            if number == 1:
                _check_header(data)
            elif "study" in data and expected == 0:
                studies.append((_study(data["study"]), []))
                expected = int(data["trials"])
            elif expected:
                studies[-1][1].append(_trial(data["trial"]))
                expected -= 1
            else:
                raise StorageError("a study should begin here")
        except SchemaTooNew:
            raise
        except (LuthierError, KeyError, TypeError, ValueError) as error:
            raise StorageError(f"line {number} is not what `luthier storage export` writes: {error!r}") from error
    if number == 0 or expected:
        raise StorageError(f"the file is cut short at line {number} ({expected} trials are missing): export again")
    return studies


def _check_header(data: Mapping[str, Any]) -> None:
    if data["luthier"] != "studies":
        raise ValueError("this is not a file that `luthier storage export` wrote")
    if data["format"] > FORMAT:
        raise SchemaTooNew(
            f"the file has format {data['format']}, this version of Luthier reads up to {FORMAT}: upgrade Luthier"
        )


def _study(data: dict[str, Any]) -> StudyRecord:
    return StudyRecord(**{**data, "directions": tuple(data["directions"])})


def _trial(data: dict[str, Any]) -> TrialRecord:
    values = data["values"]
    known = {name: value for name, value in data.items() if name != "note"}  # which no record has yet
    return TrialRecord(
        **{
            **known,
            "state": TrialState[data["state"]],
            "values": None if values is None else tuple(values),
            "constraints": tuple(data["constraints"]),
            "reports": tuple((int(step), float(value)) for step, value in data["reports"]),
        }
    )


def export_studies(store: Store, path: Path, name: str | None = None) -> list[StudyDump]:
    """Write one study or all to a new file; returns what was written.

    Raises:
        StudyNotFound: there is no study of that name.
        StorageError: the file exists already, or cannot be written.
    """
    if path.exists():
        raise StorageError(f"{path} already exists: give another path")
    studies = read_studies(store, name)
    try:
        with written_whole(path) as file:
            file.writelines(f"{line}\n".encode() for line in to_lines(studies))
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error}") from error
    return studies


def read_export(path: Path) -> list[StudyDump]:
    """Return the studies of a file that `export_studies` wrote; raises as `from_lines`."""
    try:
        with path.open(encoding="utf-8") as file:
            return from_lines(file)
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} cannot be read: {error}") from error
    except SchemaTooNew as error:
        raise SchemaTooNew(f"{path}: {error}") from error
    except StorageError as error:
        raise StorageError(f"{path}: {error}") from error


# -- checking


def faults(study: StudyRecord, records: Sequence[TrialRecord], lost: Collection[int] = ()) -> list[str]:
    """Return what is wrong with a study, a sentence each; empty if nothing is.

    Args:
        study: the study.
        records: all its trials.
        lost: the numbers of trials that no process runs any more.
    """
    found = []
    numbers = [record.number for record in records]
    if numbers != list(range(len(numbers))):
        wrong = next((i for i, n in enumerate(numbers) if n != i), len(numbers))
        found.append(f"the numbers of its trials have a gap: trial {numbers[wrong]} is in the place of trial {wrong}")
    for record in records:
        found.extend(f"trial {record.number} is {record.state.name} {fault}" for fault in _faults(study, record, lost))
    return found


def _faults(study: StudyRecord, record: TrialRecord, lost: Collection[int]) -> Iterator[str]:
    values, state = record.values, record.state
    if state is TrialState.COMPLETE and values is None:
        yield "without values"
    if values is not None and len(values) != len(study.directions):
        yield f"with {len(values)} values where the study has {len(study.directions)} objectives"
    if state is TrialState.COMPLETE and values is not None and any(x - x != 0 for x in values):
        yield f"with values that are not finite: {values}"
    if values is not None and state in (TrialState.WAITING, TrialState.RUNNING, TrialState.FAIL):
        yield f"with values: {values}"
    if state.is_finished and record.finished is None:
        yield "without a finish time"
    if state is TrialState.COMPLETE and record.started is None:
        yield "without a start time"
    if record.seconds is not None and record.seconds < 0:
        yield "and finished before it started"
    if not state.is_finished and record.finished is not None:
        yield "but has a finish time"
    if state is TrialState.WAITING and (record.owner or record.token):
        yield f"but owned by {record.owner or record.token!r}"
    if state is TrialState.RUNNING and record.number in lost:
        yield f"but no process is running it: its owner {record.owner} is gone, or its lease has run out"
