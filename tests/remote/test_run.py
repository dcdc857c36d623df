"""RemoteStudy.optimize against the application in this process: how a run goes, and how it ends."""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import luthier as lt
from luthier.engine.run import Run
from luthier.errors import LeaseLost, LuthierError, ObjectiveError, StorageError
from luthier.executors import InlineExecutor, Outcome
from luthier.remote.backend import RemoteBackend
from luthier.remote.connection import Connection
from luthier.remote.study import RemoteStudy
from luthier.space import Space
from luthier.stores import Result, Store
from luthier.trial import TrialRecord, TrialState


def test_callbacks_timeout_and_total(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    seen: list[tuple[Any, TrialRecord]] = []

    def called(where: RemoteStudy, record: TrialRecord) -> None:
        seen.append((where, record))
        if record.number == 2:
            where.stop()

    study.optimize(lambda t: t.params["x"], 10, callbacks=[called])
    assert [record for _, record in seen] == study.trials and {where for where, _ in seen} == {study}
    assert len(seen) == 3
    study.optimize(lambda t: t.params["x"], timeout=0)
    assert len(study.trials) == 3
    for _ in range(2):
        study.optimize(lambda t: t.params["x"], total_trials=5)
        assert len(study.trials) == 5
    with pytest.raises(ValueError, match="not both"):
        study.optimize(lambda t: 0.0, 1, total_trials=1)
    with pytest.raises(ValueError, match="n_jobs"):
        study.optimize(lambda t: 0.0, 1, trial_timeout=1, executor=InlineExecutor())
    with pytest.raises(ValueError, match="n_jobs=2 has no effect on an executor"):
        study.optimize(lambda t: 0.0, 1, n_jobs=2, executor=InlineExecutor())
    with pytest.raises(ValueError, match="'ray', 'dask'"):
        study.optimize(lambda t: 0.0, 1, executor="slurm")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_jobs=0"):
        study.optimize(lambda t: 0.0, 1, n_jobs=0)


def test_the_progress_bar_counts_the_study(
    create: Callable[..., RemoteStudy], capsys: pytest.CaptureFixture[str]
) -> None:
    study = create()
    study.optimize(lambda t: 0.125, 2)
    study.optimize(lambda t: 0.25, 2, show_progress_bar=True)
    assert "4/4" in capsys.readouterr().err


def test_worker_processes(create: Callable[..., RemoteStudy]) -> None:
    study = create(None, pruner="median")

    def objective(trial: lt.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.set_user_attr("half", x / 2)
        trial.set_constraints([x - 2])
        trial.report(x, step=1)
        assert not trial.should_prune()
        if trial.number == 1:
            raise ArithmeticError("by chance")
        return x

    study.optimize(objective, 4, n_jobs=2, catch=ArithmeticError)
    trials = study.trials
    assert [t.state.name for t in trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    for t in trials:
        x = t.params["x"]
        assert isinstance(x, float) and t.attrs == {"half": x / 2} and t.reports == ((1, x),)
        assert t.constraints == (x - 2,)
    assert "by chance" in (trials[1].error or "")


def test_a_worker_that_dies_costs_its_training_and_one_that_always_dies_fails(
    create: Callable[..., RemoteStudy],
) -> None:
    study = create()

    def dies(trial: lt.Trial) -> float:
        import os

        os._exit(3)

    study.optimize(dies, 1, trial_timeout=60, max_retries=1)
    (record,) = study.trials
    assert (record.state, record.retries) == (TrialState.FAIL, 1)
    assert "died" in (record.error or "") and "2 times" in (record.error or "")


def test_what_is_no_result_fails_and_is_raised_unless_caught(create: Callable[..., RemoteStudy]) -> None:
    study = create()
    with pytest.raises(ObjectiveError, match="None"):
        study.optimize(lambda t: None, 1)
    study.optimize(lambda t: None, 2, catch=ObjectiveError)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 3


def test_a_long_or_odd_traceback_is_told_all_the_same(create: Callable[..., RemoteStudy]) -> None:
    def objective(trial: lt.Trial) -> float:
        raise ArithmeticError("\0\ud800" + "x" * 200_000 + "the end")

    study = create()
    study.optimize(objective, 1, catch=ArithmeticError)
    assert (study.trials[0].error or "").rstrip().endswith("the end")
    trial = study.ask()
    study.tell(trial, state=TrialState.FAIL, error="a\0b\ud800c")
    assert study.trials[1].error == "a\\0b?c"
    study.close()


def test_a_run_drops_what_it_lost_and_goes_on(
    create: Callable[..., RemoteStudy], store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    study = create()
    lost = threading.Event()

    def objective(trial: lt.Trial) -> float:
        if not lost.is_set():
            lost.set()
            assert store.requeue("s", trial.number, trial.token)
        return float(trial.number)

    with caplog.at_level(logging.WARNING, "luthier"):
        study.optimize(objective, 2)
    assert "result dropped" in caplog.text
    assert [(t.value, t.retries) for t in study.trials] == [(0.0, 1), (1.0, 0)]


def run_of(backend: Any, **more: Any) -> Run:
    limits: dict[str, Any] = {"n_trials": None, "total_trials": None, "timeout": None, "catch": (), "callbacks": ()}
    limits |= {"stop": threading.Event(), "max_retries": 3, "show_progress_bar": False}
    return Run(backend, **(limits | more))


def test_a_trial_that_was_taken_away_does_not_count() -> None:
    class Backend:
        is_far, asked = True, 0

        def ask(self, max_retries: int) -> Any:
            self.asked += 1
            return lt.Trial(0, f"token-{self.asked}", None, {}, {}, Space({}))  # type: ignore[arg-type]

        def result_of(self, number: int, values: Any, state: TrialState, *_: Any) -> Result:
            return Result(state, (values,))

        def tell(self, number: int, token: str, *_: Any) -> TrialRecord:
            if token == "token-1":
                raise LeaseLost("too late")
            return TrialRecord(0, TrialState.COMPLETE)

        def best(self) -> None:
            return None

    run = run_of(Backend(), n_trials=1)
    for _ in range(2):
        trial = run.next()
        assert trial is not None
        run.done(trial, Outcome(TrialState.COMPLETE, 0.0, {}))
    assert run.next() is None


def test_a_grid_goes_on_with_a_trial_whose_worker_died_after_the_last_was_given_out(
    create: Callable[..., RemoteStudy], reach: Callable[..., Connection]
) -> None:
    study = create(None, sampler="grid")
    run = run_of(RemoteBackend(reach(), "s", None, 1, None))
    first, second = run.next(), run.next()
    assert first is not None and second is not None
    assert {trial.suggest_int("n", 1, 2) for trial in (first, second)} == {1, 2}
    assert run.next() is None, "all points are given out"
    run.lost(first, "it died")
    again = run.next()
    assert again is not None and again.number == first.number
    for trial in (second, again):
        run.done(trial, Outcome(TrialState.COMPLETE, 0.5, trial.stored_params))
    assert run.next() is None
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 2
    study.close()


def test_the_log_names_the_best_so_far(create: Callable[..., RemoteStudy], caplog: pytest.LogCaptureFixture) -> None:
    study = create()
    with caplog.at_level(logging.INFO, "luthier"):
        study.optimize(lambda t: 0.5 + t.number, 2)
    first, second = (line.getMessage() for line in caplog.records if line.name == "luthier")
    assert "the best so far" in first and "best 0.5 (trial 0)" in second


@pytest.mark.parametrize("bar", [False, True])
def test_a_best_or_a_bar_that_cannot_be_had_ends_no_run(
    create: Callable[..., RemoteStudy],
    reach: Callable[..., Connection],
    caplog: pytest.LogCaptureFixture,
    bar: bool,
) -> None:
    study, seen = create(), []

    class Silent(RemoteBackend):
        def best(self) -> Any:
            raise StorageError("the service does not answer")

        def counts(self) -> Any:
            if study.trials:
                raise StorageError("the service does not answer")
            return super().counts()

    run = run_of(Silent(reach(), "s", study.space, 1, None), n_trials=2, callbacks=[seen.append], show_progress_bar=bar)
    with caplog.at_level(logging.INFO, "luthier"):
        run.run(lambda t: 0.5 + t.number, InlineExecutor())
    assert [t.value for t in seen] == [0.5, 1.5] and len(caplog.records) == 2


def test_catch_hides_no_error_of_the_service_and_others_say_whose_they_are(
    create: Callable[..., RemoteStudy], reach: Callable[..., Connection]
) -> None:
    class Refuses(RemoteBackend):
        def tell(self, *_: Any) -> Any:
            raise StorageError("the service does not answer")

    study = create()
    run = run_of(Refuses(reach(), "s", study.space, 1, None), n_trials=2, catch=(Exception,))
    with pytest.raises(StorageError, match="does not answer"):
        run.run(lambda t: 1.0, InlineExecutor())
    assert [t.state for t in study.trials] == [TrialState.WAITING], "it is queued again"
    with pytest.raises(ObjectiveError) as caught:
        study.optimize(lambda t: None, 1)
    assert "raised by the objective in trial 0" in "".join(caught.value.__notes__)

    def breaks(study: RemoteStudy, record: TrialRecord) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError) as broken:
        study.optimize(lambda t: 1.0, 1, callbacks=[breaks])
    assert broken.value.__notes__ == ["raised by a callback, after trial 1"]


def test_it_does_not_run_in_a_process_that_an_objective_started(
    create: Callable[..., RemoteStudy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    study = create()
    with pytest.raises(LuthierError, match="__main__"):
        study.optimize(lambda t: 1.0, 1)
    assert study.trials == []


def lines_of(study: RemoteStudy, press: int | None = None) -> int:
    """Optimize; press Ctrl-C before that line of the run and its executor. Returns how many there were."""
    watched, count = ("run.py", "remote/backend.py", "remote/study.py", "inline.py", "protocol.py", "ctrl_c.py"), 0

    def trace(frame: Any, event: str, arg: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.endswith(watched) or "asyncio" in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
            if count == press:
                signal.raise_signal(signal.SIGINT)
        return trace

    sys.settrace(trace)
    try:
        study.optimize(lambda t: t.params["x"], total_trials=2)
    finally:
        sys.settrace(None)
    return count


def test_ctrl_c_at_any_line_leaves_no_trial_running(create: Callable[..., RemoteStudy], store: Store) -> None:
    before, pressed = signal.getsignal(signal.SIGINT), 0
    study = create()
    lines = lines_of(study)
    assert lines > 100
    for press in range(1, lines + 1, 5):
        study.close()
        store.delete_study("s")
        study = create()
        try:
            lines_of(study, press)
        except KeyboardInterrupt as error:
            pressed += 1
            assert "Finished trials are kept" in "".join(getattr(error, "__notes__", ["Finished trials are kept"]))
        assert TrialState.RUNNING not in {t.state for t in study.trials}, f"Ctrl-C at line {press} of {lines}"
        assert signal.getsignal(signal.SIGINT) is before
    assert pressed > lines / 10
    study.close()
