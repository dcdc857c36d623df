"""One catalogue of samplers and one of pruners: what they name can be made, and no other module lists the names."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import luthier as lt
from luthier import samplers, schedulers
from luthier.samplers.catalogue import DEFAULT, SAMPLERS, make_sampler
from luthier.schedulers.catalogue import NAMES, NO_PRUNER, PRUNERS, make_pruner
from luthier.workflow import budget

ROOT = Path(__file__).parents[2]
CATALOGUES = {"src/luthier/samplers/catalogue.py", "src/luthier/schedulers/catalogue.py"}


def test_every_sampler_has_a_name():
    named = {entry.class_name for entry in SAMPLERS.values()}
    public = {name for name in dir(samplers) if name.endswith("Sampler") and name != "Sampler"}
    assert named == public and DEFAULT in SAMPLERS


def test_every_pruner_has_a_name():
    named = {entry.class_name for entry in PRUNERS.values()}
    assert named == {name for name in dir(schedulers) if name.endswith("Pruner")}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sampler_is_made_by_its_name(name):
    sampler = make_sampler(name)
    assert type(sampler) is SAMPLERS[name].kind and isinstance(sampler, samplers.Sampler)
    study = lt.create_study(space={"x": lt.Float(0, 1)}, sampler=name, seed=0)
    study.optimize(lambda trial: trial.params["x"], n_trials=2)
    assert type(study.sampler) is type(sampler) and len(study.trials) == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_pruner_is_made_by_its_name(name):
    assert type(make_pruner(name)) is PRUNERS[name].kind


@pytest.mark.parametrize("name", [name for name in PRUNERS if name not in NAMES])
def test_a_pruner_that_needs_options_says_so(name):
    with pytest.raises(ValueError, match=f"needs options: give {PRUNERS[name].class_name}"):
        make_pruner(name)


def test_options_are_those_of_the_class():
    assert SAMPLERS["tpe"].options["gamma"] == 0.1
    assert SAMPLERS["tpe"].make(gamma=0.2).gamma == 0.2
    assert PRUNERS["percentile"].options["percentile"] is inspect.Parameter.empty
    with pytest.raises(TypeError, match="TPESampler has no option 'beta': it has the options"):
        SAMPLERS["tpe"].make(beta=1)


def listed(tree: ast.AST) -> list[int]:
    """Lines of collections and of Literal[...] that hold two or more names of a catalogue."""
    lines = []
    for node in ast.walk(tree):
        inner: list[ast.expr | None] = []
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            inner = [*node.elts]
        elif isinstance(node, ast.Dict):
            inner = [*node.keys]
        names = {x.value for x in inner if isinstance(x, ast.Constant) and isinstance(x.value, str)}
        if any(len(names & known) >= 2 for known in (set(SAMPLERS), set(PRUNERS))):
            lines.append(node.lineno)
    return lines


def test_no_other_module_lists_the_names():
    files = [*ROOT.glob("src/**/*.py"), *ROOT.glob("bench/race/*.py"), ROOT / "bench/race/adapters/luthier.py"]
    assert {str(p.relative_to(ROOT)) for p in files} >= CATALOGUES
    found = {str(p.relative_to(ROOT)): listed(ast.parse(p.read_text(encoding="utf-8"))) for p in files}
    knows_what_each_saves = "src/luthier/workflow/budget.py"  # of the same names, see the next test
    assert {name for name, lines in found.items() if lines} == CATALOGUES | {knows_what_each_saves}


def test_the_budget_knows_every_pruner_of_the_command_line():
    assert set(budget._SHARE_OF_EPOCHS) == {*NAMES, NO_PRUNER}


def test_documents_know_all_names():
    page = (ROOT / "docs/samplers.md").read_text(encoding="utf-8")
    for name, entry in {**SAMPLERS, **PRUNERS}.items():
        assert f'| `"{name}"` |' in page, name
        assert entry.class_name in page, entry.class_name
    for name in (*SAMPLERS, *NAMES):
        assert f'"{name}"' in (lt.create_study.__doc__ or ""), name


# -- options


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "qmc"])
def test_a_seed_belongs_to_the_study(name):
    kind = SAMPLERS[name].kind
    with pytest.raises(TypeError, match=rf"use create_study\(sampler={kind.__name__}\(\), seed=3\)"):
        kind(seed=3)


def test_other_options_that_a_sampler_lacks_are_named():
    with pytest.raises(TypeError, match="has no option 'n_startup_trials': it has the options startup_trials"):
        samplers.GPSampler(n_startup_trials=10)
    with pytest.raises(TypeError, match=r"RandomSampler has no seed of its own.*seed=3"):
        samplers.RandomSampler(3)
    with pytest.raises(TypeError, match="TPESampler: too many positional arguments; it has the options"):
        samplers.TPESampler(1, 2, 3, 4, 5)
    assert samplers.QMCSampler(seed=3).seed == 3  # of the scramble
    assert next(iter(inspect.signature(samplers.TPESampler).parameters)) == "startup_trials"
