"""The house is as it is drawn: ARCHITECTURE.md, the linter's layers and the imports agree."""

import ast
import configparser
import re
import sys
from pathlib import Path

import luthier

ROOT = Path(__file__).parents[1]
SOURCE = Path(luthier.__file__).parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
NAMES = {  # of libraries, where the name that is imported is another
    "PyTorch": "torch",
    "scikit-learn": "sklearn",
    "Pillow": "PIL",
    "dask.distributed": "distributed",
    "Dask": "dask",
    "PyMySQL": "pymysql",
}
OUTSIDE = {"testing", "_version"}  # in no layer: nothing may import testing, anything the version


def module_of(path):
    parts = ("luthier", *path.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] in ("__init__", "__main__") else parts)


FILES = {module_of(path): path for path in SOURCE.rglob("*.py") if path.name != "__main__.py"}


def imported(name, path):
    """The modules of the package that a module imports, in functions too; not those of its own package's inside."""
    here = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{a.name}" if f"{base}.{a.name}" in FILES else base for a in node.names}
    return {target for target in found & FILES.keys() if target != name and not target.startswith(f"{name}.")}


def reachable(graph, start):
    seen, left = set(), [start]
    while left:
        new = graph[left.pop()] - seen
        seen |= new
        left += new
    return seen


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: imported(name, path) for name, path in FILES.items()}
    reach = {name: reachable(graph, name) for name in graph}
    assert not {name: sorted(b for b in reach[name] if name in reach[b]) for name in graph if name in reach[name]}


def layers():
    """The layers of the linter, from the bottom, each a set of names."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    lines = parser["importlinter:contract:house"]["layers"].split("\n")
    rows = [{x.strip().removeprefix("luthier.") for x in re.split("[|:]", line)} for line in lines if line.strip()]
    return rows[::-1]


def drawn():
    """The rows of the picture in ARCHITECTURE.md, from the bottom, each a set of names."""
    block = re.search(r"```text\n(.*?)```", ARCHITECTURE, re.DOTALL).group(1)
    rows = [re.match(r"[a-z ]{12}(\S.*?)(?:  |$)", line) for line in block.splitlines()]
    return [set(re.split(r"/? +|/", row.group(1).rstrip("/"))) for row in rows if row]


def test_the_picture_is_what_the_linter_holds():
    assert drawn() == layers()


def test_every_part_is_in_a_layer():
    parts = {name.split(".")[1] for name in FILES if "." in name}
    assert parts - OUTSIDE == set().union(*layers())


def places():
    """Library -> the folders and files where ARCHITECTURE.md says that it is used."""
    table = re.search(r"\| library \| where \| why \|\n\|[-|]+\n(.*?)\n\n", ARCHITECTURE, re.DOTALL).group(1)
    found = {}
    for row in table.splitlines():
        libraries, where, _ = (cell.strip() for cell in row.strip("|").split("|", 2))
        for library in re.split(", ", libraries):
            found[NAMES.get(library, library.lower())] = [place.strip("/ ") for place in where.split(",")]
    return found


def test_a_library_is_used_where_the_table_says():
    known, wrong, used = places(), [], set()
    for path in FILES.values():
        place = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                tops = {node.module.split(".")[0]}
            else:
                continue
            for top in tops - sys.stdlib_module_names - {"luthier", "numpy"}:
                where = known.get(top, [])
                used |= {(top, p) for p in where if place.startswith(p)}
                if not any(place.startswith(p) for p in where):
                    wrong.append(f"{place}:{node.lineno} imports {top}")
    assert not wrong, "\n".join(wrong)
    assert {(library, place) for library, ps in known.items() for place in ps if library != "numpy"} == used


def test_classes_are_short():
    sizes = {
        f"{name}.{node.name}": node.end_lineno - node.lineno + 1
        for name, path in FILES.items()
        if not name.startswith("luthier.testing")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    assert not {name: size for name, size in sizes.items() if size > 300}


# modules and folders without tests of their own name -> where they are tested
TESTED_BY = {
    "analysis/effects.py": "analysis/test_analysis.py",
    "analysis/importance.py": "analysis/test_analysis.py",
    "catalogue.py": "samplers/test_catalogue.py",
    "cli/app.py": "cli/test_commands.py",
    "cli/bar.py": "cli/test_console.py",
    "cli/image.py": "cli/test_commands.py",
    "cli/narrator.py": "cli/test_image_data.py",
    "cli/options.py": "cli/test_commands.py",
    "cli/predict.py": "cli/test_image_data.py",
    "cli/serve.py": "service/test_serve.py",
    "cli/show.py": "cli/test_commands.py",
    "cli/tune.py": "cli/test_commands.py",
    "confirm/candidate.py": "confirm/test_rerun.py",
    "confirm/choice.py": "confirm/test_compare.py",
    "engine/": "engine/test_engine.py",
    "executors/": "executors/test_processes.py",
    "first_use.py": "test_house.py",
    "integrations/optuna/values.py": "integrations/optuna/test_studies.py",
    "notebook.py": "study/test_manage.py",
    "plots/": "plots/test_plots.py",
    "remote/": "remote/test_study.py",
    "report/": "report/test_report.py",
    "samplers/grid/": "samplers/grid/test_sampler.py",
    "samplers/options.py": "samplers/tpe/test_sampler.py",
    "samplers/protocol.py": "samplers/test_catalogue.py",
    "samplers/sequences.py": "samplers/test_qmc.py",
    "schedulers/catalogue.py": "samplers/test_catalogue.py",
    "schedulers/protocol.py": "schedulers/test_arguments.py",
    "schedulers/steps.py": "schedulers/test_arguments.py",
    "service/": "service/test_endpoints.py",
    "space/": "space/test_space.py",
    "stores/changes.py": "stores/test_memory.py",
    "stores/journal/": "stores/journal/test_store.py",
    "stores/no_gc.py": "engine/test_engine.py",
    "stores/protocol.py": "stores/test_memory.py",
    "stores/sql/": "stores/sql/test_store.py",
    "stores/state.py": "stores/test_memory.py",
    "stores/state_store.py": "stores/test_memory.py",
    "study/": "study/test_study.py",
    "surrogates/forest.py": "analysis/test_analysis.py",
    "surrogates/gp/": "surrogates/gp/test_posterior.py",
    "surrogates/parzen/": "surrogates/test_parzen.py",
    "tasks/image/folders.py": "tasks/image/test_layout.py",
    "tasks/image/formats.py": "tasks/image/test_data.py",
    "tasks/image/idx.py": "tasks/image/test_data.py",
    "tasks/image/load.py": "tasks/image/test_data.py",
    "tasks/image/unlabelled.py": "cli/test_image_data.py",
    "terminal.py": "test_log.py",
    "train/epoch_log.py": "tasks/image/test_task.py",
    "text.py": "cli/test_console.py",
    "types.py": "space/test_space.py",
    "workflow/": "workflow/test_choice.py",
}


def test_every_module_has_its_tests():
    tests, needed, missing = Path(__file__).parent, set(), []
    for path in FILES.values():
        place = path.relative_to(SOURCE)
        if path.name.startswith("_") or place.parts[0] == "testing":
            continue
        if (tests / place.parent / f"test_{path.name}").exists():
            continue
        by = [entry for entry in TESTED_BY if place.as_posix() == entry or place.as_posix().startswith(entry)]
        needed.update(by)
        if not by:
            missing.append(place.as_posix())
    assert not missing
    assert needed == set(TESTED_BY)  # an entry that no module needs any more
    assert not [by for by in TESTED_BY.values() if not (tests / by).exists()]
