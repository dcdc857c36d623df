"""The rules of the house that a linter does not see."""

import ast
import subprocess
import sys
from pathlib import Path

import luthier

SOURCE = Path(luthier.__file__).parent
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


def test_no_file_is_empty_and_none_is_huge():
    sizes = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCE.rglob("*.py")}
    assert all(n > 0 for n in sizes.values())
    assert all(n <= 500 for p, n in sizes.items() if "testing" not in p.parts), {
        p: n for p, n in sizes.items() if n > 500
    }
