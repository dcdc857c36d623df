from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import luthier as lt
from luthier.errors import SchemaTooNew, StorageError, StudyExists, StudyNotFound
from luthier.samplers import RandomSampler
from luthier.stores import MemoryStore, StudyRecord
from luthier.stores.sql import SqlStore
from luthier.stores.sql.upkeep import compact, damage
from luthier.stores.transfer import (
    add_studies,
    copy_studies,
    export_studies,
    faults,
    from_lines,
    read_export,
    read_studies,
    to_lines,
)
from luthier.trial import TrialRecord, TrialState

WAITING, RUNNING, COMPLETE, PRUNED, FAIL = TrialState


def objective(trial):
    x = trial.suggest_float("x", 0, 1)
    trial.suggest_categorical("c", [None, True, 1, "a"])
    trial.report(x, 1)
    trial.report(math.inf, 2)
    trial.set_user_attr("note", {"x": [x]})
    trial.set_constraints([x - 0.5])
    if trial.number == 2:
        raise lt.TrialPruned
    if trial.number == 3:
        raise RuntimeError("why\x00")
    return x


def fill(store, name="study"):
    """A study with trials in every state."""
    study = lt.create_study(study_name=name, storage=store, sampler=RandomSampler(), seed=2**70)
    study.optimize(objective, n_trials=5, catch=RuntimeError)
    study.set_user_attr("who", "me")
    study.enqueue_trial({"x": 0.25}, {"queued": True})
    number = study.ask().number
    assert study.trials[number].state is RUNNING
    study.enqueue_trial({"x": 0.75})
    assert {t.state for t in study.trials} == set(TrialState)
    return study


def test_a_copy_has_everything(tmp_path):
    source, target = MemoryStore(), SqlStore(tmp_path / "a.db")
    study = fill(source)
    fill(source, "other")
    copied = copy_studies(source, target)
    assert [record.name for record, _ in copied] == ["study", "other"]
    assert target.studies() == source.studies()
    old, new = study.trials, target.changes("study", 0)[1]
    assert [t for t in new if t.number != 5] == [t for t in old if t.number != 5]
    ran = old[5]
    assert new[5] == replace(ran, state=WAITING, owner="", token="", started=None, retries=1, reports=())
    again = MemoryStore()
    copy_studies(target, again, "other")
    assert [s.name for s in again.studies()] == ["other"]
    assert again.changes("other", 0)[1] == target.changes("other", 0)[1]
    target.close()


def test_a_copied_study_goes_on_as_the_first_would(tmp_path):
    source, target = MemoryStore(), MemoryStore()
    first = lt.create_study(storage=source, study_name="s", sampler=RandomSampler(), seed=1)
    first.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    copy_studies(source, target)
    second = lt.load_study("s", storage=target, sampler=RandomSampler())
    for study in (first, second):
        study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]


def test_a_name_that_is_there_is_refused_and_nothing_is_copied():
    source, target = MemoryStore(), MemoryStore()
    for name in ("a", "b"):
        fill(source, name)
    target.create_study(StudyRecord("b", ("minimize",), 0))
    with pytest.raises(StudyExists, match="'b'"):
        copy_studies(source, target)
    assert [s.name for s in target.studies()] == ["b"]
    with pytest.raises(StudyExists):
        copy_studies(source, source, "a")
    with pytest.raises(StudyNotFound):
        copy_studies(source, target, "c")


def test_a_failure_in_the_middle_leaves_nothing():
    class Failing(MemoryStore):
        def load(self, study, records):
            if study.name == "b":
                raise StorageError("the disk is full")
            super().load(study, records)

    source, target = MemoryStore(), Failing()
    for name in ("a", "b"):
        fill(source, name)
    with pytest.raises(StorageError, match="full"):
        copy_studies(source, target)
    assert target.studies() == []


def test_a_file_brings_everything_back(tmp_path):
    store, file = MemoryStore(), tmp_path / "studies.jsonl"
    fill(store, "größe")
    fill(store, "other")
    export_studies(store, file)
    assert read_export(file) == read_studies(store)
    assert all(json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    assert [p.name for p in tmp_path.iterdir()] == ["studies.jsonl"]
    with pytest.raises(StorageError, match="already exists"):
        export_studies(store, file)
    export_studies(store, tmp_path / "one.jsonl", "other")
    assert read_export(tmp_path / "one.jsonl") == read_studies(store, "other")


numbers = st.floats(allow_nan=False) | st.integers(-(2**70), 2**70)
labels = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(labels, lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(), x, max_size=3))
json_values = values.filter(lambda x: "$float" not in repr(x))
attrs = st.dictionaries(st.text(), json_values, max_size=3).filter(lambda x: "$float" not in x)
records = st.builds(
    TrialRecord,
    number=st.integers(0, 100),
    state=st.sampled_from(TrialState),
    params=st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3),
    values=st.none() | st.tuples(st.floats(allow_nan=False)),
    constraints=st.lists(st.floats(allow_nan=False), max_size=2).map(tuple),
    reports=st.lists(st.tuples(st.integers(0, 9), st.floats(allow_nan=False)), max_size=3).map(tuple),
    attrs=attrs,
    error=st.none() | st.text(),
    started=st.none() | st.floats(0, 1e9),
    retries=st.integers(0, 9),
)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(records, max_size=3), max_size=3))
def test_lines_are_read_as_they_were_written(groups):
    studies = [(StudyRecord(str(i), ("minimize",), i), group) for i, group in enumerate(groups)]
    assert from_lines(to_lines(studies)) == studies


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda lines: [], "cut short at line 0"),
        (lambda lines: lines[:-1], "1 trials are missing"),
        (lambda lines: lines[:2], "8 trials are missing|7 trials are missing"),
        (lambda lines: [*lines, lines[-1]], "line 10|line 11"),
        (lambda lines: lines[1:], "line 1 is"),
        (lambda lines: ['{"luthier": "recipes", "format": 1}', *lines[1:]], "line 1 is"),
        (lambda lines: [lines[0], "not json", *lines[2:]], "line 2 is"),
        (lambda lines: [lines[0], "[]", *lines[2:]], "line 2 is"),
        (lambda lines: [*lines[:3], lines[3].replace("COMPLETE", "DONE"), *lines[4:]], "line 4 is"),
        (lambda lines: [*lines[:3], lines[3].replace('"retries"', '"tries"'), *lines[4:]], "line 4 is"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path, change, what):
    store, file = MemoryStore(), tmp_path / "studies.jsonl"
    fill(store)
    lines = change(list(to_lines(read_studies(store))))
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(StorageError, match=what):
        read_export(file)


FIRST = """\
{"luthier":"studies","format":1}
{"study":{"name":"s","directions":["maximize"],"seed":7,"space":null,"parameters":{"x":{"type":"float","low":0.0,"high":\
1.0,"log":false,"step":null,"default":null,"when":null}},"attrs":{"a":{"$float":"inf"}},"created":1.5},"trials":2}
{"trial":{"number":0,"state":"COMPLETE","params":{"x":0.25},"values":[0.5],"constraints":[0.0],"reports":[[1,\
{"$float":"nan"}]],"attrs":{"b":1},"note":{"n":[1]},"error":null,"created":2.0,"started":3.0,"finished":4.0,\
"owner":"me","token":"t","retries":1}}
{"trial":{"number":1,"state":"WAITING","params":{},"values":null,"constraints":[],"reports":[],"attrs":{},"note":{},\
"error":null,"created":2.0,"started":null,"finished":null,"owner":"","token":"","retries":0}}
"""


def test_a_file_of_format_1_is_read_for_ever():
    [(study, trials)] = from_lines(FIRST.splitlines())
    domain = {"type": "float", "low": 0.0, "high": 1.0, "log": False, "step": None, "default": None, "when": None}
    assert study == StudyRecord("s", ("maximize",), 7, None, {"x": domain}, {"a": math.inf}, 1.5)
    done = TrialRecord(0, COMPLETE, {"x": 0.25}, (0.5,), (0.0,), ((1, math.nan),), {"b": 1}, None, 2.0, 3.0)
    done = done.with_(finished=4.0, owner="me", token="t", retries=1)
    assert repr(trials) == repr([done, TrialRecord(1, WAITING, created=2.0)])  # NaN is itself as text alone


def test_a_file_of_a_newer_luthier_is_refused(tmp_path):
    file = tmp_path / "studies.jsonl"
    file.write_text('{"luthier": "studies", "format": 2, "new": 1}\n')
    with pytest.raises(SchemaTooNew, match=r"studies\.jsonl.*upgrade"):
        read_export(file)


def test_two_studies_of_one_name_are_refused():
    study = (StudyRecord("a", ("minimize",), 0), [])
    target = MemoryStore()
    with pytest.raises(StudyExists):
        add_studies(target, [study, study])
    assert target.studies() == []


GOOD = TrialRecord(0, COMPLETE, {}, (1.0,), started=1.0, finished=2.0)


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (replace(GOOD, number=1), "gap"),
        (replace(GOOD, values=None), "without values"),
        (replace(GOOD, values=(1.0, 2.0)), "2 values"),
        (replace(GOOD, values=(math.nan,)), "not finite"),
        (replace(GOOD, values=(-math.inf,)), "not finite"),
        (replace(GOOD, state=FAIL), "with values"),
        (replace(GOOD, finished=None), "without a finish time"),
        (replace(GOOD, started=None), "without a start time"),
        (replace(GOOD, finished=0.5), "before it started"),
        (replace(GOOD, state=WAITING, values=None), "has a finish time"),
        (TrialRecord(0, WAITING, owner="me"), "owned by me|owned by 'me'"),
        (TrialRecord(0, RUNNING, owner="me"), "no process is running it"),
    ],
    ids=str,
)
def test_faults_are_found(record, fault):
    study = StudyRecord("s", ("minimize",), 0)
    found = faults(study, [record], lost={0})
    assert len(found) == 1
    assert pytest.raises(AssertionError, match=fault).matches(AssertionError(found[0]))


def test_what_is_right_has_no_faults():
    store = MemoryStore()
    fill(store)
    for study, trials in read_studies(store):
        assert faults(study, trials) == []
        assert len(faults(study, trials, lost=range(len(trials)))) == 1


def test_a_sqlite_file_is_checked_and_made_smaller(tmp_path: Path):
    store = SqlStore(tmp_path / "study.db")
    for i in range(30):
        store.load(StudyRecord(f"s{i}", ("minimize",), 0), [replace(GOOD, attrs={"a": "x" * 10_000})])
    for i in range(29):
        store.delete_study(f"s{i}")
    kept = read_studies(store)
    store.close()
    assert damage(tmp_path / "study.db") == []
    before, after = compact(tmp_path / "study.db")
    assert after < before / 2
    again = SqlStore(tmp_path / "study.db")
    assert read_studies(again) == kept
    again.close()


def test_a_damaged_sqlite_file_is_seen(tmp_path):
    path = tmp_path / "study.db"
    store = SqlStore(path)
    store.load(StudyRecord("s", ("minimize",), 0), [replace(GOOD, number=i, attrs={"a": "x" * 999}) for i in range(99)])
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(8 * 4096, len(data) - 4096, 4096):
        data[page : page + 64] = b"\xff" * 64
    path.write_bytes(bytes(data))
    assert damage(path)
    with pytest.raises(StorageError, match="cannot be compacted"):
        compact(path)
