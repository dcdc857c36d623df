import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

import luthier as lt
from luthier.errors import ObjectiveError, StorageError
from luthier.samplers import GridSampler, RandomSampler
from luthier.schedulers import MedianPruner
from luthier.stores import MemoryStore
from luthier.stores.sql import SqlStore
from luthier.trial import TrialState

COMPLETE, PRUNED, FAIL = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL


def make(**options):
    options.setdefault("sampler", RandomSampler())
    return lt.create_study(seed=0, **options)


def square(trial):
    return trial.suggest_float("x", -5, 5) ** 2


def states(study):
    return [t.state for t in study.trials]


def test_n_trials_adds_and_total_trials_counts():
    study = make()
    study.optimize(square, n_trials=3)
    study.optimize(square, n_trials=2)
    assert len(study.trials) == 5
    study.optimize(square, total_trials=5)
    study.optimize(square, total_trials=7)
    assert len(study.trials) == 7
    with pytest.raises(ValueError, match="not both"):
        study.optimize(square, n_trials=1, total_trials=1)


def test_an_objective_that_raises_fails_its_trial():
    def objective(trial):
        if trial.number == 1:
            raise KeyError("broken")
        return square(trial)

    study = make()
    with pytest.raises(KeyError, match="broken"):
        study.optimize(objective, n_trials=4)
    assert states(study) == [COMPLETE, FAIL]
    assert "in objective" in study.trials[1].error and "KeyError: 'broken'" in study.trials[1].error
    study = make()
    study.optimize(objective, n_trials=4, catch=KeyError)
    assert states(study) == [COMPLETE, FAIL, COMPLETE, COMPLETE]
    study = make()
    with pytest.raises(KeyError):
        study.optimize(objective, n_trials=4, catch=(ValueError, OSError))


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "no value"), (float("inf"), "infinite"), ("a", "must be a number"), ((1.0, 2.0), "has 2 values")],
)
def test_what_is_no_result_fails_its_trial_and_is_raised(value, message):
    study = make()
    with pytest.raises(ObjectiveError, match=message):
        study.optimize(lambda t: value, n_trials=2)
    assert states(study) == [FAIL] and message in study.trials[0].error
    study.optimize(lambda t: value, n_trials=2, catch=ObjectiveError)
    assert states(study) == [FAIL] * 3


def test_nan_fails_its_trial_and_the_study_goes_on():
    study = make()
    study.optimize(lambda t: float("nan"), n_trials=2)
    assert states(study) == [FAIL, FAIL]


def test_pruning():
    def objective(trial):
        for step in range(4):
            trial.report(float(trial.number), step)
            if trial.should_prune():
                raise lt.TrialPruned()
        return float(trial.number)

    study = make(pruner=MedianPruner(n_startup_trials=2))
    study.optimize(objective, n_trials=5)
    assert states(study) == [COMPLETE, COMPLETE, PRUNED, PRUNED, PRUNED]
    assert study.trials[2].value == 2.0 and study.trials[2].reports == ((0, 2.0),)
    assert study.best_trial.number == 0


def test_callbacks_and_stop():
    seen = []

    def callback(study, record):
        seen.append((record.number, record.value == study.trials[record.number].value))
        if record.number == 2:
            study.stop()

    study = make()
    study.optimize(square, n_trials=10, callbacks=[callback])
    assert seen == [(0, True), (1, True), (2, True)]
    study.optimize(square, n_trials=1)
    assert len(study.trials) == 4


def test_timeout_starts_no_more():
    study = make()
    study.optimize(lambda t: time.sleep(0.05) or 1.0, timeout=0.2)
    assert 1 <= len(study.trials) <= 5 and set(states(study)) == {COMPLETE}
    study.optimize(square, n_trials=5, timeout=0.0)
    assert len(study.trials) <= 5


def test_an_exhausted_grid_ends_the_run():
    study = lt.create_study(space={"a": lt.Int(0, 2), "b": lt.Choice(["x", "y"])}, sampler=GridSampler())
    study.optimize(lambda t: float(t.params["a"]))
    assert len(study.trials) == 6 and len({tuple(t.params.items()) for t in study.trials}) == 6


def test_the_progress_bar_says_what_happens(capsys):
    study = make()
    study.optimize(square, n_trials=6, show_progress_bar=True)
    shown = capsys.readouterr().err
    assert "6/6" in shown and f"best {study.best_value:.5g}" in shown


def test_ctrl_c_queues_the_trial_again():
    def objective(trial):
        if trial.number == 2 and not again:
            raise KeyboardInterrupt
        return square(trial)

    again = False
    study = make()
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=5)
    assert states(study) == [COMPLETE, COMPLETE, TrialState.WAITING]
    again = True
    study.optimize(objective, total_trials=5)
    whole = make()
    whole.optimize(square, n_trials=5)
    assert [t.params for t in study.trials] == [t.params for t in whole.trials]
    assert study.trials[2].retries == 1


class Refuses(MemoryStore):
    """Fails at the third result."""

    told = 0

    def tell(self, *args, **kwargs):
        self.told += 1
        if self.told == 3:
            raise StorageError("the disk is full")
        return super().tell(*args, **kwargs)


def test_catch_is_for_what_the_objective_raises_and_hides_no_other_error():
    study = make(storage=Refuses())
    with pytest.raises(StorageError, match="the disk is full"):
        study.optimize(square, n_trials=5, catch=Exception)
    assert states(study) == [COMPLETE, COMPLETE, TrialState.WAITING]


@pytest.mark.parametrize("stored", [False, True])
def test_a_result_of_a_trial_that_another_has_now_is_dropped_and_the_run_goes_on(caplog, tmp_path, stored):
    def objective(trial):
        if trial.number == 1 and study.trials[1].retries == 0:
            study._engine.store.requeue(study.name, 1, trial.token)
        return square(trial)

    study = make(storage=tmp_path / "s.db" if stored else None)
    study.optimize(objective, n_trials=3)
    study.close()
    assert states(study) == [COMPLETE] * 3 and [t.retries for t in study.trials] == [0, 1, 0]
    assert [r.getMessage().endswith("(result dropped; 1 so far in this run)") for r in caplog.records] == [True]


@pytest.mark.parametrize("stored", [False, True])
def test_a_trial_that_somebody_told_otherwise_stays_so_and_the_run_goes_on(caplog, tmp_path, stored):
    def objective(trial):
        if trial.number == 1:
            study.tell(1, state=FAIL, error="given up by hand")
        return square(trial)

    study = make(storage=tmp_path / "s.db" if stored else None)
    study.optimize(objective, n_trials=3)
    study.close()
    assert states(study) == [COMPLETE, FAIL, COMPLETE, COMPLETE] and study.trials[1].error == "given up by hand"
    assert ["trial 1 was told FAIL" in r.getMessage() for r in caplog.records] == [True]


# -- tell and ask in one


class Counts(SqlStore):
    """Counts the calls that commit; may fail at one of them."""

    def __init__(self, path, fails_at=None):
        super().__init__(path)
        self.calls, self.fails_at = Counter(), fails_at

    def _change(self, name, work):
        caller = sys._getframe(1).f_code.co_name
        self.calls[caller] += 1
        if self.fails_at == (caller, self.calls[caller]):
            raise StorageError("the disk is full")
        return super()._change(name, work)


def test_short_trials_are_told_and_the_next_asked_for_in_one_transaction(tmp_path):
    store = Counts(tmp_path / "s.db")
    study = make(storage=store)
    study.optimize(square, n_trials=5)
    assert store.calls == {"add_parameters": 1, "ask": 1, "tell_and_ask": 4, "tell": 1}
    assert states(study) == [COMPLETE] * 5
    assert [t.params for t in study.trials] == [t.params for t in reference(5)]
    study.close()


def reference(n):
    study = make()
    study.optimize(square, n_trials=n)
    return study.trials


def test_results_that_somebody_waits_for_are_told_alone(tmp_path, monkeypatch):
    store = Counts(tmp_path / "s.db")
    study = make(storage=store)
    study.optimize(square, n_trials=3, callbacks=[lambda study, trial: None])
    monkeypatch.setattr("luthier.engine.engine._SHORT_SECONDS", 0.0)  # as if they took long
    study.optimize(square, n_trials=3)
    assert (store.calls["tell"], store.calls["ask"], store.calls["tell_and_ask"]) == (6, 6, 0)
    study.close()


class Looks(RandomSampler):
    """Notes how many results it knows of, each time it is asked."""

    def __init__(self):
        super().__init__()
        self.known = []

    def suggest(self, space, history, rng, n):
        self.known.append((int(history.is_complete.sum()), float(np.nansum(history.values))))
        return super().suggest(space, history, rng, n)


def test_the_sampler_knows_a_result_that_is_told_with_the_next_question(tmp_path):
    here, there = Looks(), Looks()
    space = {"x": lt.Float(-5, 5)}
    for sampler, storage in ((here, None), (there, Counts(tmp_path / "s.db"))):
        study = make(storage=storage, sampler=sampler, space=space)
        study.optimize(square, n_trials=4)
        study.close()
    assert here.known == there.known and [count for count, _ in there.known] == [0, 1, 2, 3]


def test_a_result_that_could_not_be_told_with_the_next_question_is_none(tmp_path):
    store = Counts(tmp_path / "s.db", fails_at=("tell_and_ask", 3))
    study = make(storage=store)
    with pytest.raises(StorageError, match="the disk is full"):
        study.optimize(square, n_trials=6)
    assert states(study) == [COMPLETE, COMPLETE, TrialState.WAITING]
    study.optimize(square, total_trials=6)
    assert states(study) == [COMPLETE] * 6
    assert [t.params for t in study.trials] == [t.params for t in reference(6)]
    study.close()


def test_errors_prunings_and_ends_come_out_of_short_trials_as_of_long_ones(tmp_path):
    def objective(trial):
        trial.suggest_categorical("k", [0, 1, 2])
        if trial.number == 1:
            raise lt.TrialPruned
        return 1.0

    store = Counts(tmp_path / "s.db")
    study = make(storage=store, sampler=GridSampler(), space={"k": lt.Choice([0, 1, 2])})
    study.optimize(objective)
    assert states(study) == [COMPLETE, PRUNED, COMPLETE] and store.calls["tell_and_ask"] == 2
    study.close()
    for value, error in ((None, ObjectiveError), (KeyError("broken"), KeyError)):
        study = make(storage=Counts(tmp_path / f"{error.__name__}.db"))
        with pytest.raises(error):
            study.optimize(lambda trial, value=value: outcome(value, trial), n_trials=3)
        assert states(study) == [FAIL]
        study.close()


def outcome(value, trial):
    square(trial)
    if isinstance(value, Exception):
        raise value
    return value


def lines_of(study, press=None):
    """Optimize; press Ctrl-C before that line of the optimizer, engine and executor. Returns how many there were."""
    watched = ("run.py", "engine.py", "recovery.py", "local.py", "mirror.py", "proposals.py", "running.py", "inline.py")
    watched += ("protocol.py", "ctrl_c.py", "state_store.py")
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if not frame.f_code.co_filename.endswith(watched):
            return None
        if event == "line":
            count += 1
            if count == press:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        study.optimize(square, n_trials=2)
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("stored", [False, True])
def test_ctrl_c_at_any_line_leaves_no_trial_running_and_a_study_that_goes_on(tmp_path, stored):
    def fresh():
        return make(storage=tmp_path / "s.db" if stored else None)

    before = signal.getsignal(signal.SIGINT)
    lines, pressed = lines_of(fresh()), 0
    assert lines > 200
    for press in range(1, lines + 1, 3):
        study = fresh()
        try:
            lines_of(study, press)
        except KeyboardInterrupt:
            pressed += 1
        assert TrialState.RUNNING not in states(study), f"Ctrl-C at line {press} of {lines}"
        assert signal.getsignal(signal.SIGINT) is before
        study.optimize(square, total_trials=2)
        assert states(study) == [COMPLETE, COMPLETE], f"Ctrl-C at line {press} of {lines}"
        study.close()
    assert pressed > lines / 6


def test_ctrl_c_twice_comes_at_once():
    def ask(*args, **kwargs):
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        raise AssertionError("it did not come")

    study = make()
    study._engine.ask = ask
    with pytest.raises(KeyboardInterrupt):
        study.optimize(square, n_trials=1)


def test_a_handler_of_the_programs_own_is_called_and_put_back():
    calls = []
    before = signal.signal(signal.SIGINT, lambda *_: calls.append("pressed"))
    try:
        mine = signal.getsignal(signal.SIGINT)
        study = make()
        study.optimize(lambda trial: signal.raise_signal(signal.SIGINT) or 1.0, n_trials=2)
        assert calls == ["pressed"] * 2 and signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


# -- worker processes


def test_n_jobs_runs_closures_in_processes():
    offset = 10.0
    parent = os.getpid()

    def objective(trial):
        trial.set_user_attr("pid", os.getpid())
        trial.report(1.0, 0)
        trial.should_prune()
        kind = trial.suggest_categorical("kind", ["a", "b"])
        return trial.suggest_float("x", -5, 5) ** 2 + offset + (trial.suggest_int("n", 1, 5) if kind == "a" else 0)

    study = make(pruner=MedianPruner())
    study.optimize(objective, n_trials=12, n_jobs=2)
    assert states(study) == [COMPLETE] * 12 and study.best_value >= 10
    pids = {t.attrs["pid"] for t in study.trials}
    assert parent not in pids and 1 <= len(pids) <= 2
    assert all(t.reports == ((0, 1.0),) for t in study.trials)
    assert all(("n" in t.params) == (t.params["kind"] == "a") for t in study.trials)
    with pytest.raises(ValueError, match="n_jobs=0"):
        study.optimize(objective, n_trials=1, n_jobs=0)


SCRIPT = """
import sys, time, luthier as lt
from luthier.samplers import RandomSampler
def objective(trial):
    time.sleep(600 if trial.number > int(sys.argv[4]) else 0.1)  # the signal must come before the end
    return trial.suggest_float("x", -5, 5) ** 2 + trial.suggest_int("n", 0, 3)
study = lt.create_study(study_name="s", storage=sys.argv[1], seed=5, load_if_exists=True, sampler=RandomSampler())
print("ready", flush=True)
study.optimize(objective, total_trials=int(sys.argv[3]), n_jobs=int(sys.argv[2]))
"""


def run_script(path, jobs, trials, finished=None, number=None):
    """Run the study; send it a signal once so many trials are finished. Returns the exit code."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            SCRIPT,
            str(path),
            str(jobs),
            str(trials),
            str(trials if finished is None else finished),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline().strip() == b"ready"
        while finished is not None and process.poll() is None:
            if sum(t.state.is_finished for t in lt.load_study(storage=path).trials) >= finished:
                os.kill(process.pid, number)
                break
            time.sleep(0.02)
        process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    return process.returncode


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_run_again_equals_uninterrupted(tmp_path, number):
    assert run_script(tmp_path / "whole.db", 1, 16) == 0
    codes = [run_script(tmp_path / "cut.db", 1, 16, finished, number) for finished in (2, 7)]
    assert all(code != 0 for code in codes)
    assert run_script(tmp_path / "cut.db", 1, 16) == 0
    whole = lt.load_study(storage=tmp_path / "whole.db").trials
    cut = lt.load_study(storage=tmp_path / "cut.db").trials
    assert [(t.params, t.values) for t in cut] == [(t.params, t.values) for t in whole]
    assert len(cut) == 16 and sum(t.retries for t in cut) >= 1


def test_ctrl_c_with_workers_leaves_a_study_that_resumes(tmp_path):
    assert run_script(tmp_path / "s.db", 2, 60, 4, signal.SIGINT) != 0
    assert not any(t.state is TrialState.RUNNING for t in lt.load_study(storage=tmp_path / "s.db").trials)
    assert run_script(tmp_path / "s.db", 2, 60) == 0
    assert [t.state for t in lt.load_study(storage=tmp_path / "s.db").trials] == [COMPLETE] * 60
