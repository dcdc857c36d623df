"""The commands as a user runs them: real data, real kills; in this process where no other is needed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import luthier as lt
from luthier.cli import main
from luthier.samplers import RandomSampler

QUICK = ("--epochs", "4", "--trials", "7", "--top", "2", "--seeds", "2", "--limit", "300")


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(monkeypatch, capsys):
    """Runs the command in this process."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["luthier", *map(str, args)])
        monkeypatch.setenv("COLUMNS", "120")
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return Done(code, *capsys.readouterr())

    return run


def luthier(*args, **options):
    """Run the command; the completed process."""
    command = [sys.executable, "-m", "luthier", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run on digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    done = luthier("tune", "image", "--data", "digits", "--out", folder, "--json", "--jobs", "2", *QUICK)
    assert done.returncode == 0, done.stderr
    return folder, done


def test_the_nine_steps_are_said(run):
    _, done = run
    titles = ["Problem and goal", "Data preparation", "Baseline", "Ranges", "Method", "Search", "Analysis", "Choice"]
    titles.append("Check on the sealed test set")
    places = [done.stderr.index(f"{i}/9  {title}") for i, title in enumerate(titles, 1)]
    assert places == sorted(places)
    said = " ".join(done.stderr.split())
    assert "Test accuracy" in said and "7/7" in said and "estimate about" in said and "-:--" not in said
    assert "at most" in said[said.index("8/9") :]  # what the re-runs may cost, before they begin
    assert all(len(line) <= 80 for line in done.stderr.splitlines() if "/" not in line)  # but for paths


def test_re_runs_cost_less_than_the_search(run):
    folder, done = run
    result = json.loads(done.stdout)
    epochs = {t.number: len(t.reports) for t in lt.load_study(storage=folder / "study.db").trials}
    runs = [json.loads(line) for line in (folder / "reruns.jsonl").read_text().splitlines()]
    assert result["cost"]["reruns"] == len(runs) > 0
    assert sum(epochs[r["number"] or 0] for r in runs) <= sum(epochs.values())


def test_the_summary_goes_to_stdout(run):
    """A finished run is walked once more: nothing is trained again."""
    folder, done = run
    again = luthier("tune", "image", "--out", folder, "--resume", env={**os.environ, "COLUMNS": "50"})
    assert again.returncode == 0, again.stderr
    assert "Test accuracy" in again.stdout and "Test accuracy" not in again.stderr
    assert str(folder / "report.html") in again.stdout and "luthier predict" in again.stdout
    assert all(len(line) <= 50 or str(folder) in line for line in again.stdout.splitlines())
    assert json.loads(done.stdout)["cost"]["trials"] == 7
    assert len((folder / "sealed-test-opened.jsonl").read_text().splitlines()) == 1


def test_the_result_as_json(run):
    folder, done = run
    result = json.loads(done.stdout)
    assert 0.5 < result["check"]["best"]["estimate"] <= 1 and result["check"]["n"] == 360
    assert result["cost"]["trials"] == 7
    assert {Path(result[k]).exists() for k in ("study", "report", "model")} == {True}
    study = lt.load_study(storage=folder / "study.db")
    assert len(study.trials) == 7 and study.trials[0].attrs["baseline"]
    assert not list((folder / "checkpoints").glob("*"))


def test_trials_and_best(run, here):
    folder, _ = run
    listed = json.loads(here("trials", folder, "--json").stdout)
    assert [t["number"] for t in listed] == list(range(7))
    complete = json.loads(here("trials", folder, "--json", "--state", "complete", "--sort", "value").stdout)
    values = [t["value"] for t in complete]
    assert values == sorted(values, reverse=True)
    assert "learning_rate" in here("trials", folder).stdout
    found = json.loads(here("best", folder, "--json").stdout)
    assert found["confirmed"] and len(found["runs"]) == 2 and "check" in found
    assert "learning_rate" in here("best", folder).stdout
    from_storage = json.loads(here("best", folder / "study.db", "--json").stdout)
    assert not from_storage["confirmed"]


def test_the_report_is_written_again(run, here):
    folder, _ = run
    (folder / "report.html").unlink()
    done = here("report", folder)
    assert done.returncode == 0 and "sealed" in (folder / "report.html").read_text(encoding="utf-8")
    elsewhere = folder.parent / "other.html"
    assert here("report", folder / "study.db", "--out", elsewhere).returncode == 0 and elsewhere.exists()


def test_predict(run, tmp_path, here):
    from PIL import Image
    from sklearn.datasets import load_digits

    folder, _ = run
    digits = load_digits()
    np.savez(tmp_path / "images.npz", images=digits.images[:50].astype(np.uint8))
    done = here("predict", folder, "--input", tmp_path / "images.npz", "--out", tmp_path / "labels.csv")
    assert done.returncode == 0 and "30 more" in done.stdout
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert np.mean([row["label"] == str(y) for row, y in zip(rows, digits.target, strict=False)]) > 0.6
    assert all(abs(sum(float(row[str(c)]) for c in range(10)) - 1) < 1e-4 for row in rows)
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.fromarray((digits.images[i] * 15).astype(np.uint8)).save(tmp_path / "pictures" / f"{i}.png")
    answers = json.loads(here("predict", folder, "--input", tmp_path / "pictures", "--json").stdout)
    assert len(answers) == 3 and set(answers[0]) == {"name", "label", "probabilities"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("tune", "image", "--data", "no-such-data"), "no-such-data"),
        (("tune", "image", "--out", "nowhere", "--resume"), "nowhere is not a run of Luthier"),
        (("trials", "nowhere.db"), "nowhere.db"),
        (("trials", "weird://x"), "storage weird://x is not supported"),
        (("best", "."), "is not a run of Luthier"),
        (("predict", "nowhere", "--input", "x.npz"), "nowhere is not a run of Luthier"),
        (("repair", "nowhere.journal"), "nowhere.journal cannot be opened"),
    ],
)
def test_errors_are_said_and_exit_with_1(args, message, tmp_path, here, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = here(*args)
    assert done.returncode == 1, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr and not done.stdout
    assert not list(tmp_path.iterdir()), "an error leaves nothing behind"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("tune", "image"), "name the data to learn from"),
        (("tune", "image", "--trials", "many"), "Invalid value for '--trials'"),
        (("tune", "image", "--data", "digits", "--trials", "0"), "Invalid value for '--trials'"),
        (("tune", "image", "--data", "digits", "--seed", "-1"), "Invalid value for '--seed'"),
        (("tune", "image", "--data", "digits", "--sampler", "magic"), "--sampler magic: choose one of auto, gp"),
        (("tune", "image", "--data", "digits", "--pruner", "magic"), "--pruner magic: choose one of median"),
        (("tune", "image", "--data", "digits", "--augment", "magic"), "--augment magic: choose one of"),
        (("tune", "image", "--data", "digits", "--jobs", "0"), "--jobs 0"),
        (("tune", "image", "--data", "digits", "--timeout", "soon"), "--timeout soon: give a duration such as 2h"),
        (("tune", "image", "--data", "digits", "--timeout", "0"), "give a duration above zero"),
        (("tune", "image", "--data", "digits", "--resume", "--fresh"), "give one of them"),
        (("trials",), "Missing argument"),
        (("storage", "copy", "from.db"), "Missing argument"),
        (("serve", "s.db", "--port", "99999"), "Invalid value for '--port'"),
    ],
)
def test_wrong_usage_exits_with_2(args, message, tmp_path, here, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = here(*args)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_exit_code_is_that_of_the_process(tmp_path):
    assert luthier("nonsense").returncode == 2
    done = luthier("trials", "nowhere.db", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.startswith("error: ")


def test_a_run_is_not_overwritten_and_goes_on_only_as_it_was(run, here):
    folder, _ = run
    done = here("tune", "image", "--data", "digits", "--out", folder, *QUICK)
    assert done.returncode == 1 and "continue with --resume" in done.stderr
    done = here("tune", "image", "--out", folder, "--resume", "--epochs", "9")
    assert done.returncode == 1 and "was made with --epochs 4, not 9" in done.stderr
    (folder.parent / "plain").mkdir()
    (folder.parent / "plain" / "file").touch()
    done = here("best", folder.parent / "plain")
    assert done.returncode == 1 and "not a run of Luthier" in done.stderr


def test_help_teaches(here):
    for args, words in (
        ((), ("tune", "predict", "trials", "best", "report", "Start here")),
        (("tune", "image"), ("sealed test", "--resume", "--trials", "Examples")),
        (("storage",), ("list", "copy", "export", "import-optuna", "check")),
        (("serve",), ("--port", "--token", "Ctrl-C")),
    ):
        done = here(*args, "--help")
        assert done.returncode == 0 and all(word in done.stdout for word in words)
    assert here("--version").stdout.strip() == lt.__version__


@pytest.fixture
def two(tmp_path):
    """A storage of two studies: one of two objectives with an odd choice, and an empty one."""
    study = lt.create_study(
        storage=tmp_path / "s.db", study_name="two", sampler=RandomSampler(), directions=["minimize", "maximize"]
    )

    def objective(trial):
        trial.suggest_categorical("k[ind]", ["[bold]a", "[/]"])
        return trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)

    study.optimize(objective, n_trials=4)
    lt.create_study(storage=tmp_path / "s.db", study_name="none", directions=["minimize", "maximize"])
    return study, tmp_path / "s.db"


def test_trials_of_any_study(two, here):
    study, path = two
    assert len(json.loads(here("trials", path, "--study", "two", "--json").stdout)) == 4
    front = json.loads(here("best", path, "--study", "two", "--json").stdout)
    assert [t["number"] for t in front] == [t.number for t in study.best_trials]
    for command in ("best", "trials"):
        shown = here(command, path, "--study", "two").stdout
        assert "k[ind]" in shown and any(odd in shown for odd in ("[bold]a", "[/]"))
    assert "minimize 1" in here("best", path, "--study", "two").stdout
    assert here("best", path, "--study", "none", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("code", "args", "message"),
    [
        (1, ("best", "--study", "none"), "no complete, feasible trial yet"),
        (1, ("trials",), "'two', 'none'; name the one to load with --study"),
        (1, ("trials", "--study", "three"), "has no study 'three'"),
        (1, ("report", "--study", "two", "--out", "."), ". cannot be written: Is a directory; choose another --out"),
        (2, ("trials", "--study", "two", "--state", "done"), "--state done: choose one of waiting"),
        (2, ("trials", "--study", "two", "--sort", "name"), "--sort name: choose number or value"),
    ],
)
def test_wrong_questions_about_a_study(code, args, message, two, here, monkeypatch):
    monkeypatch.chdir(two[1].parent)
    done = here(args[0], two[1], *args[1:])
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert message in done.stderr


def killed_when(ready, command, number):
    """Run a command until `ready()`, then send it a signal; its exit code and what it said."""
    environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment)
    while process.poll() is None and not ready():
        time.sleep(0.1)
    process.send_signal(number)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # it says where it hangs, and is gone
        pytest.fail(f"signal {number} did not end it:\n{process.communicate()[1]}")
    return process.returncode, said


def usable(run):
    """The model of an unfinished run predicts, and what it is stands on stderr."""
    np.savez(run.parent / "images.npz", images=np.zeros((3, 8, 8), np.uint8))
    done = luthier("predict", run, "--input", run.parent / "images.npz", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == 3 and "have not confirmed it yet" in done.stderr
    assert f"luthier tune image --out {run} --resume" in done.stderr.replace("\n", " ")


def test_killed_anywhere_and_resumed(tmp_path):
    """Ctrl-C in the search, a kill later in it, a kill in the re-runs; then it ends as one that nobody touched."""
    cut = tmp_path / "cut"
    start = (sys.executable, "-m", "luthier", "tune", "image", "--out")
    resume = (*start, str(cut), "--resume")

    def finished(n):
        def ready():
            return (cut / "study.db").exists() and sum(
                t["state"] in ("COMPLETE", "PRUNED")
                for t in json.loads(luthier("trials", cut, "--json").stdout or "[]")
            ) >= n

        return ready

    code, said = killed_when(finished(2), (*start, str(cut), "--data", "digits", *QUICK), signal.SIGINT)
    assert code == 130 and "--resume" in said and "The best model so far can be used already" in said
    usable(cut)
    assert killed_when(finished(4), resume, signal.SIGKILL)[0] == -signal.SIGKILL
    again = cut / "reruns.jsonl"
    code, _ = killed_when(lambda: again.exists() and again.stat().st_size > 0, resume, signal.SIGKILL)
    assert code == -signal.SIGKILL and not (cut / "check.json").exists()
    usable(cut)
    done = luthier("tune", "image", "--out", cut, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    whole = luthier("tune", "image", "--out", tmp_path / "whole", "--data", "digits", "--json", *QUICK)
    a, b = json.loads(done.stdout), json.loads(whole.stdout)
    assert a["best"] == b["best"] and a["check"] == b["check"]
    np.savez(tmp_path / "images.npz", images=np.zeros((3, 8, 8), np.uint8))
    assert "confirmed" not in luthier("predict", cut, "--input", tmp_path / "images.npz").stderr
    runs = [
        [(t.params, t.values) for t in lt.load_study(storage=tmp_path / n / "study.db").trials]
        for n in ("cut", "whole")
    ]
    assert runs[0] == runs[1]
