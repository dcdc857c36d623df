import logging
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest

import luthier as lt
from luthier.log import finished_line, short_params
from luthier.samplers import RandomSampler
from luthier.schedulers import MedianPruner
from luthier.trial import TrialRecord, TrialState

LOGGER = logging.getLogger("luthier")


@contextmanager
def no_handlers():
    """Logging as in a program that has not set it up; pytest has."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    level = LOGGER.level
    LOGGER.setLevel(logging.NOTSET)
    try:
        yield
        assert LOGGER.handlers == [] and root.handlers == []
    finally:
        root.handlers = handlers
        LOGGER.setLevel(level)


def make(**options):
    return lt.create_study(seed=0, sampler=RandomSampler(), **options)


def square(trial):
    return trial.suggest_float("x", -5, 5) ** 2


def lines(capsys):
    """What was written, without its times."""
    text = capsys.readouterr().err
    found = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in text.splitlines()]
    return [re.sub(r"· [0-9.e-]+ s", "· T s", line) for line in found]


def test_a_line_for_each_finished_trial(capsys, tmp_path):
    def objective(trial):
        x = trial.suggest_float("x", -5, 5)
        if trial.number == 1:
            return float("nan")
        if trial.number == 2:
            raise KeyError("broken")
        for step in range(2):
            trial.report(trial.number, step)
            if trial.number == 4 and trial.should_prune():
                raise lt.TrialPruned
        return trial.number if trial.number else 0.123456789 + 0 * x

    study = make(storage=tmp_path / "s.db", pruner=MedianPruner(n_startup_trials=1, n_warmup_steps=0))
    with no_handlers():
        study.optimize(objective, n_trials=5, catch=KeyError)
    study.close()
    x = [f"{t.params['x']:.4g}" for t in study.trials]
    assert lines(capsys) == [
        f"trial 0 complete: 0.123457 · T s · x={x[0]} · the best so far",
        f"trial 1 failed: the objective returned nan: NaN fails · T s · x={x[1]} · best 0.123457 (trial 0)",
        f"trial 2 failed: KeyError: 'broken' · T s · x={x[2]} · best 0.123457 (trial 0)",
        f"trial 3 complete: 3 · T s · x={x[3]} · best 0.123457 (trial 0)",
        f"trial 4 pruned: 4 · T s · x={x[4]} · best 0.123457 (trial 0)",
    ]


def test_workers_and_several_objectives(capsys):
    study = make(directions=["minimize", "maximize"])
    with no_handlers():
        study.optimize(lambda t: (square(t), 2.0), n_trials=2, n_jobs=2)
    found = sorted(lines(capsys))
    assert len(found) == 2
    assert all(re.fullmatch(rf"trial {i} complete: \(\S+, 2\) · T s · x=\S+", line) for i, line in enumerate(found))


def test_beside_a_bar_and_on_demand_fewer(capsys):
    def objective(trial):
        return float("nan") if trial.number % 2 else square(trial)

    def shown(**options):
        study = make()
        study.optimize(objective, n_trials=2, **options)
        return [line.partition(":")[0] for line in lines(capsys) if re.match(r"trial \d", line)]

    with no_handlers():
        assert shown() == ["trial 0 complete", "trial 1 failed"]
        assert shown(show_progress_bar=True) == ["trial 1 failed"]
        lt.set_verbosity("info")
        assert shown(show_progress_bar=True) == ["trial 0 complete", "trial 1 failed"]
        lt.set_verbosity("Warning")
        assert shown() == ["trial 1 failed"]
        lt.set_verbosity(logging.ERROR)
        assert shown() == []
        lt.set_verbosity(logging.NOTSET)
        logging.disable()
        try:
            assert shown() == []
        finally:
            logging.disable(logging.NOTSET)
        assert shown() == ["trial 0 complete", "trial 1 failed"]


@pytest.mark.parametrize("level", ["loud", -1, None, True, 1.5])
def test_a_level_is_a_name_or_a_number(level):
    with pytest.raises(ValueError, match="level=.*'warning'"):
        lt.set_verbosity(level)


PROGRAM = """
import logging
import luthier as lt
from luthier.samplers import RandomSampler

{setup}
study = lt.create_study(seed=0, sampler=RandomSampler())
study.optimize(lambda trial: [1.0, float("nan")][trial.number], n_trials=2)
"""


@pytest.mark.parametrize(
    ("setup", "starts"),
    [
        ("", [r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d trial 0 complete: 1", r"\S+ \S+ trial 1 failed"]),
        ("logging.basicConfig()", ["WARNING:luthier:trial 1 failed"]),
        ("logging.basicConfig(level='INFO')", ["INFO:luthier:trial 0 complete: 1", "WARNING:luthier:trial 1 failed"]),
        ("logging.basicConfig(); lt.set_verbosity('info')", ["INFO:luthier:trial 0", "WARNING:luthier:trial 1 failed"]),
        ("logging.getLogger('luthier').addHandler(logging.NullHandler())", []),
        ("logging.getLogger('luthier').addHandler(logging.StreamHandler())", ["trial 1 failed"]),
        ("import sys; sys.stderr = None", []),
    ],
)
def test_the_program_decides_about_handlers_and_levels_and_gets_no_line_twice(setup, starts):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(setup=setup)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and not done.stdout
    found = done.stderr.splitlines()
    assert len(found) == len(starts) and all(map(re.match, starts, found)), done.stderr


def test_parameters_are_shortened():
    many = {f"parameter_{i}": i / 7 for i in range(300)}
    assert short_params({"lr": 0.00123456, "layers": 3, "kind": "adam", "on": True}) == (
        "lr=0.001235, layers=3, kind='adam', on=True"
    )
    text = short_params(many)
    assert (
        len(text) < 200 and re.search(r", and \d+ more$", text) and text.startswith("parameter_0=0, parameter_1=0.1429")
    )
    assert len(short_params({"text": "x" * 10**6})) < 50 and short_params({}) == ""
    record = TrialRecord(3, TrialState.FAIL, params=many, error="Traceback\nValueError: " + "x" * 10**6)
    assert len(finished_line(record, None)) < 500
    assert finished_line(TrialRecord(3, TrialState.FAIL, error=""), None) == "trial 3 failed: no reason given"


# -- a terminal that is gone

GONE = """
import os, sys
import luthier as lt
from luthier.samplers import RandomSampler

terminal = None
if sys.argv[2] == "terminal":
    terminal, shown = os.openpty()
    sys.stderr = open(shown, "w")
    assert sys.stderr.isatty()
elif sys.argv[2] == "closed":
    sys.stderr.close()

def objective(trial):
    if trial.number == 1 and terminal is not None:
        os.close(terminal)
    return trial.suggest_float("x", 0, 1)

if __name__ == "__main__":
    study = lt.create_study(seed=0, sampler=RandomSampler(), storage=sys.argv[1])
    study.optimize(objective, n_trials=4, n_jobs=int(sys.argv[4]), show_progress_bar=sys.argv[3] == "bar")
    print([t.state.name for t in study.trials])
"""


@pytest.mark.parametrize(
    ("where", "bar", "n_jobs"),
    [
        ("pipe", "lines", 1),
        ("pipe", "lines", 2),
        ("pipe", "bar", 1),
        ("closed", "lines", 1),
        ("closed", "bar", 1),
        ("terminal", "lines", 1),
        ("terminal", "bar", 1),
    ],
)
def test_a_terminal_that_is_gone_ends_no_study(tmp_path, where, bar, n_jobs):
    (tmp_path / "script.py").write_text(GONE)
    read, write = os.pipe()
    os.close(read)
    arguments = [tmp_path / "script.py", tmp_path / "s.db", where, bar, str(n_jobs)]
    try:
        done = subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=write, text=True, timeout=300, check=False
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stdout) == (0, f"{['COMPLETE'] * 4}\n")


def test_a_line_that_cannot_be_written_leaves_no_trial_running(tmp_path, caplog):
    class Full(logging.Handler):
        def emit(self, record):
            raise OSError("full")

    handler = Full()
    LOGGER.addHandler(handler)
    try:
        for storage in (tmp_path / "s.db", None):
            study = make(storage=storage)
            with pytest.raises(OSError, match="full"), caplog.at_level(logging.INFO, "luthier"):
                study.optimize(square, n_trials=3)
            assert {t.state for t in study.trials[1:]} <= {TrialState.WAITING}
            assert study.trials[0].state is TrialState.COMPLETE
            study.close()
    finally:
        LOGGER.removeHandler(handler)


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_bar_that_raises_leaves_no_trial_running(tmp_path, monkeypatch, at, n_jobs):
    calls = []

    def show(self, counts, best):
        calls.append(counts)
        if len(calls) == at:
            raise RuntimeError("no bar")

    monkeypatch.setattr("luthier.engine.progress.Progress.show", show)
    study = make(storage=tmp_path / "s.db")
    with pytest.raises(RuntimeError, match="no bar"):
        study.optimize(square, n_trials=4, n_jobs=n_jobs, show_progress_bar=True)
    assert {t.state for t in study.trials} <= {TrialState.WAITING, TrialState.COMPLETE}
    study.close()


# -- errors name their trial


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_says_which_trial_with_which_parameters_raised_it(n_jobs):
    def objective(trial):
        trial.suggest_categorical("kind", ["a"])
        if trial.number == 1:
            raise KeyError("broken")
        return 1.0

    with pytest.raises(KeyError, match="broken") as caught:
        make().optimize(objective, n_trials=2, n_jobs=n_jobs)
    (note,) = caught.value.__notes__
    assert note.startswith("raised by the objective in trial 1, with kind='a'")
    assert ("in objective" in note) == (n_jobs == 2)


def test_a_result_that_is_none_and_a_callback_that_raises_say_so_too():
    with pytest.raises(lt.errors.ObjectiveError) as caught:
        make().optimize(lambda trial: square(trial) and None, n_trials=1)
    assert caught.value.__notes__[0].startswith("raised by the objective in trial 0, with x=")

    def callback(study, record):
        if record.number == 1:
            raise OSError("full")

    with pytest.raises(OSError) as broken:
        make().optimize(square, n_trials=3, callbacks=[callback])
    assert broken.value.__notes__ == ["raised by a callback, after trial 1"]


def test_a_nan_that_is_told_is_a_warning(caplog):
    study = make(space={"x": lt.Float(0, 1)})
    with caplog.at_level(logging.INFO, "luthier"):
        study.tell(study.ask(fixed={"x": 0.5}), float("nan"))
        study.tell(study.ask(), [1.0])
        study.tell(study.ask(), state=TrialState.FAIL, error="on purpose")
    ((level, text),) = [(line.levelname, line.getMessage()) for line in caplog.records if line.name == "luthier"]
    assert level == "WARNING" and text.startswith("trial 0 failed: the objective returned nan: NaN fails"), text
    assert text.endswith("x=0.5")
    with caplog.at_level(logging.INFO, "luthier"):
        study.optimize(lambda trial: float("nan"), n_trials=1)
    assert len(caplog.records) == 2, "a run says it once"
