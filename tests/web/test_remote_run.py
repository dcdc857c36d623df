"""RemoteStudy.optimize against the application in this process: how a run goes, and how it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

import luthier as lt
from luthier.errors import LeaseLost, ObjectiveError
from luthier.executors import InlineExecutor, Outcome
from luthier.space import Space
from luthier.stores import Store
from luthier.trial import TrialRecord, TrialState
from luthier.web.remote_run import RemoteRun
from luthier.web.remote_study import RemoteStudy


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
    with pytest.raises(ValueError, match="n_jobs=2 says nothing to an executor"):
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


def test_a_trial_that_was_taken_away_does_not_count() -> None:
    class Study:
        asked = 0

        def ask(self) -> Any:
            self.asked += 1
            return lt.Trial(0, f"token-{self.asked}", None, {}, {}, Space({}))  # type: ignore[arg-type]

        def finish(self, trial: lt.Trial, outcome: Outcome) -> TrialRecord:
            if trial.token == "token-1":
                raise LeaseLost("too late")
            return TrialRecord(0, TrialState.COMPLETE)

    options: dict[str, Any] = {"total_trials": None, "timeout": None, "catch": (), "callbacks": ()}
    run = RemoteRun(
        Study(),  # type: ignore[arg-type]
        stop=threading.Event(),
        n_trials=1,
        max_retries=3,
        show_progress_bar=False,
        **options,
    )
    for _ in range(2):
        trial = run.next()
        assert trial is not None
        run.done(trial, Outcome(TrialState.COMPLETE, 0.0, {}))
    assert run.next() is None
