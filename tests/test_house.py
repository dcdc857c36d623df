"""The rules of the house that a linter does not see."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import luthier

SOURCE = Path(luthier.__file__).parent
PROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAVY = (
    "scipy",
    "torch",
    "sqlalchemy",
    "alembic",
    "plotly",
    "pandas",
    "sklearn",
    "loky",
    "cloudpickle",
    "rich",
    "typer",
    "httpx",
    "fastapi",
)


def modules_after(statement):
    code = f"{statement}\nimport sys\nprint(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_import_pulls_in_nothing_heavy():
    loaded = modules_after("import luthier, luthier.samplers, luthier.schedulers, luthier.stores")
    assert not loaded & set(HEAVY)


def test_import_leaves_for_later_what_takes_long():
    """The models, and parts of the standard library: half of what `import luthier` would take beside NumPy."""
    late = ["luthier.samplers.gp", "luthier.samplers.tpe", "luthier.stores.sql", "luthier.analysis", "html", "logging"]
    code = f"import numpy, sys; known = set(sys.modules); import luthier; print(set({late}) & set(sys.modules) - known)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_a_study_in_memory_needs_nothing_heavy():
    loaded = modules_after(
        "import luthier as lt; from luthier.samplers import RandomSampler\n"
        "lt.create_study(sampler=RandomSampler()).optimize(lambda t: t.suggest_float('x', 0, 1), n_trials=2)"
    )
    assert not loaded & set(HEAVY)


def test_the_command_line_starts_without_torch():
    loaded = modules_after("import luthier.cli")
    assert not loaded & {"torch", "scipy", "sqlalchemy", "plotly", "pandas", "sklearn"}


def test_nothing_is_unpickled_or_evaluated_outside_the_executors():
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(node)[:80]}"
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _is_dangerous(node, in_executors="executors" in path.parts)
    ]
    assert not found, found


def _is_dangerous(node, in_executors):
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {alias.name.split(".")[0] for alias in node.names} | {(getattr(node, "module", "") or "").split(".")[0]}
        return bool(names & {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}) and not in_executors
    if not isinstance(node, ast.Call):
        return False
    options = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
    if isinstance(node.func, ast.Name):
        return node.func.id in ("eval", "exec", "compile")
    return options.get("allow_pickle") is True or (
        ast.unparse(node.func) == "torch.load" and options.get("weights_only") is not True
    )


# what a folder or file may import beside the core's libraries: what these extras bring
EXTRAS = {
    "train": ["train"],
    "tasks/image": ["train"],
    "confirm/splits.py": ["train"],
    "analysis": ["report"],
    "plots": ["report"],
    "report": ["report"],
    "service": ["serve"],
    "remote": ["serve"],
    "surrogates/forest.py": ["report"],
    "cli/serve.py": ["serve"],
    "executors/ray.py": ["ray"],
    "executors/dask.py": ["dask"],
    "integrations/optuna": ["optuna"],
    "study/dataframe.py": ["pandas"],
    "testing": ["testing"],
}


def test_every_library_that_is_imported_is_declared():
    """And what an extra does not bring is not imported where only that extra need be installed."""
    provides = metadata.packages_distributions()
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    brings = {extra: {_name(r) for r in wanted} for extra, wanted in project["optional-dependencies"].items()}
    core = {_name(wanted) for wanted in project["dependencies"]}
    undeclared = [
        f"{path.relative_to(SOURCE)} imports {library}"
        for path in SOURCE.rglob("*.py")
        for library in _libraries(path)
        if not {_name(p) for p in provides[library]}
        & core.union(*(brings[e] for place, es in EXTRAS.items() if _is_in(path, place) for e in es))
    ]
    assert not undeclared, undeclared


def test_all_is_what_users_may_want():
    extras = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    inside = set(everything.removeprefix("luthier[").removesuffix("]").split(","))
    assert inside == set(extras) - {"all", "dev", "testing", "docs", "bench", "race"}


def _name(requirement):
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def _is_in(path, place):
    return path.relative_to(SOURCE).as_posix() == place or path.relative_to(SOURCE).is_relative_to(place)


def _libraries(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.split(".")[0])
    return found - sys.stdlib_module_names - {"luthier"}


def test_no_file_is_empty_and_none_is_huge():
    sizes = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCE.rglob("*.py")}
    assert all(n > 0 for n in sizes.values())
    assert all(n <= 500 for p, n in sizes.items() if "testing" not in p.parts), {
        p: n for p, n in sizes.items() if n > 500
    }
