"""Another task on the command line: one small file, here this one, and one line that registers it."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from ridge import Ridge

from luthier.cli import main, tune
from luthier.cli.options import Common, Fresh, Json, Out, Resume, Seed, Seeds, Timeout, Top, Trials
from luthier.cli.tune import TaskCommand, register, say_interrupted
from luthier.workflow.folder import RunFolder

COMMAND = TaskCommand("ridge", {"patients": None, "seed": 0}, lambda options: Ridge(seed=options["seed"]), "patients")


def ridge(
    patients: str | None = None,
    out: Out = None,
    trials: Trials = None,
    timeout: Timeout = None,
    seed: Seed = None,
    top: Top = None,
    seeds: Seeds = None,
    resume: Resume = False,
    fresh: Fresh = False,
    json: Json = False,
) -> None:
    """Predict how diabetes goes on."""
    common = Common(out, trials, None, timeout, None, 1, None, None, top, seeds, resume, fresh, json)
    tune.run_task(COMMAND, {"patients": patients, "seed": seed}, common)


@pytest.fixture
def here(monkeypatch, capsys, tmp_path):
    """Runs the command in this process, where `luthier tune ridge` is known."""
    monkeypatch.setattr(tune, "COMMANDS", dict(tune.COMMANDS))
    monkeypatch.setattr(tune.tune_app, "registered_commands", [*tune.tune_app.registered_commands])
    register(COMMAND, ridge)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")

    def run(command):
        monkeypatch.setattr(sys, "argv", ["luthier", *shlex.split(command)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return (code, *capsys.readouterr())

    return run


def test_another_task_is_tuned_resumed_and_shown(here):
    code, shown, said = here("tune ridge --patients all --trials 4 --top 1 --seeds 2")
    assert code == 0, said
    assert "2/9  Data preparation" in said and "lowest validation squared error" in said and "5 folds" in said
    assert "epoch" not in said and "89 patients" in " ".join(said.split())
    assert not [line for line in (said + shown).splitlines() if "image" in line]
    assert "Test squared error" in shown and "use it" not in shown
    code, shown, said = here("tune ridge --out runs/all --resume --trials 5 --json")
    assert code == 0 and json.loads(shown)["cost"]["trials"] == 5, said
    assert here("best runs/all")[0] == here("report runs/all")[0] == here("trials runs/all --sort value")[0] == 0
    page = Path("runs/all/report.html").read_text(encoding="utf-8")
    assert "validation squared error" in page and "validation accuracy" not in page


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("tune ridge", 2, "name the data to learn from"),
        ("tune ridge --patients all --trials 2", 1, "runs/all holds a run already: continue with --resume"),
        ("tune ridge --out runs/all --resume --seed 3", 1, "was made with --seed 0, not 3: leave --seed out"),
        (
            "tune image --out runs/all --resume",
            1,
            "is a run of the task 'ridge': continue with `luthier tune ridge",
        ),
        ("tune ridge --out runs/all --resume --timeout 1x", 2, "--timeout 1x: give a duration"),
        ("predict runs/all --input x.npz", 1, "holds a model of the task 'ridge'"),
    ],
)
def test_what_cannot_be(command, code, message, here):
    assert here("tune ridge --patients all --trials 2 --top 1 --seeds 1")[0] == 0
    found, _, said = here(command)
    assert found == code and message in " ".join(said.split()), said


@pytest.mark.parametrize("task", ["curve", "image"])
def test_a_run_from_python_alone_says_how_it_goes_on(task, here, tmp_path):
    folder = RunFolder.create(tmp_path / "run", {"task": task}, fresh=False)
    commands = [
        f"predict {folder.path} --input x.npz",
        f"best {folder.path}",
        f"tune image --out {folder.path} --resume",
    ]
    for command in commands:
        code, _, said = here(command.format(folder.path))
        assert code == 1 and "tune(task," in said and "resume=True" in said


def test_a_path_to_go_on_with_can_be_pasted(tmp_path, capsys):
    say_interrupted(COMMAND, RunFolder(tmp_path.relative_to(tmp_path) / "my runs" / "a;b"))
    assert "luthier tune ridge --out 'my runs/a;b' --resume" in capsys.readouterr().err
