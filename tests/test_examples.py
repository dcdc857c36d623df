"""The examples in docstrings run, and everything public has one."""

import ast
import doctest
import runpy
from pathlib import Path

import pytest

import luthier

SOURCE = Path(luthier.__file__).parent
SERVICE = "http://127.0.0.1:8000"
TOKEN = "a-token-for-tests-only"  # tests/conftest.py starts services with it
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

public = runpy.run_path(str(Path(__file__).parents[1] / "docs" / "site" / "public.py"))["public"]


def docstrings(path):
    """Yield (qualified name, line, docstring) for whatever in a file has one."""
    module = ".".join(["luthier", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")

    def walk(node, name):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield name, node.body[0].lineno, text
            for child in node.body:
                if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                    yield from walk(child, f"{name}.{child.name}")

    return walk(ast.parse(path.read_text(encoding="utf-8")), module)


EXAMPLES = [
    pytest.param(name, path, line, text, id=name)
    for path in sorted(SOURCE.rglob("*.py"))
    for name, line, text in docstrings(path)
    if ">>>" in text
]


@pytest.mark.parametrize(("name", "path", "line", "text"), EXAMPLES)
def test_the_example_runs(name, path, line, text, tmp_path, monkeypatch, request):
    """Each in a folder of its own, with nothing but what it imports: so it can be copied.

    Where one names the address of a service, that of a service which was started for it takes its place.
    """
    monkeypatch.chdir(tmp_path)
    if SERVICE in text:
        monkeypatch.setenv("LUTHIER_TOKEN", TOKEN)
        text = text.replace(SERVICE, request.getfixturevalue("serve")(tmp_path / "studies.db").url)
    report = []
    example = doctest.DocTestParser().get_doctest(text, {"__name__": "__main__"}, name, str(path), line - 1)
    result = doctest.DocTestRunner(optionflags=FLAGS).run(example, out=report.append, clear_globs=False)
    assert result.failed == 0, f"{path}:{line}\n" + "".join(report)
    assert result.attempted > 0
    assert not any(doctest.OPTIONFLAGS_BY_NAME["SKIP"] in e.options for e in example.examples), (
        "an example that is skipped"
    )


def test_whatever_is_public_has_an_example():
    lacking = {name for name, thing in public().items() if ">>>" not in (thing.__doc__ or "")}
    assert not lacking - WITHOUT, sorted(lacking - WITHOUT)


# these still lack one: the list only shrinks
WITHOUT = {
    "luthier.Choice",
    "luthier.Float",
    "luthier.Int",
    "luthier.Ordinal",
    "luthier.Space",
    "luthier.Study",
    "luthier.Trial",
    "luthier.TrialRecord",
    "luthier.TrialState",
    "luthier.connect",
    "luthier.create_study",
    "luthier.executors.Executor",
    "luthier.executors.InlineExecutor",
    "luthier.executors.Outcome",
    "luthier.executors.TrialSource",
    "luthier.executors.dask.DaskExecutor",
    "luthier.executors.processes.ProcessExecutor",
    "luthier.executors.ray.RayExecutor",
    "luthier.integrations.optuna.OptunaSampler",
    "luthier.integrations.optuna.import_study",
    "luthier.load_study",
    "luthier.plots.plot_confirmation",
    "luthier.plots.plot_effect",
    "luthier.plots.plot_heatmap",
    "luthier.plots.plot_history",
    "luthier.plots.plot_importance",
    "luthier.plots.plot_learning_curves",
    "luthier.plots.plot_parallel",
    "luthier.plots.plot_timeline",
    "luthier.report.StudyLike",
    "luthier.report.machine_facts",
    "luthier.report.write_report",
    "luthier.samplers.AutoSampler",
    "luthier.samplers.GPSampler",
    "luthier.samplers.QMCSampler",
    "luthier.samplers.RandomSampler",
    "luthier.samplers.Sampler",
    "luthier.samplers.TPESampler",
    "luthier.samplers.expected_order",
    "luthier.schedulers.Decision",
    "luthier.schedulers.MedianPruner",
    "luthier.schedulers.PatientPruner",
    "luthier.schedulers.PercentilePruner",
    "luthier.schedulers.Scheduler",
    "luthier.schedulers.SuccessiveHalvingPruner",
    "luthier.schedulers.ThresholdPruner",
    "luthier.space.Choice",
    "luthier.space.Expression",
    "luthier.space.Float",
    "luthier.space.Int",
    "luthier.space.Ordinal",
    "luthier.space.Space",
    "luthier.space.domain_from_json",
    "luthier.space.domain_to_json",
    "luthier.stores.MemoryStore",
    "luthier.stores.Proposal",
    "luthier.stores.Result",
    "luthier.stores.Store",
    "luthier.stores.StudyRecord",
    "luthier.stores.journal.JournalStore",
    "luthier.stores.journal.Repaired",
    "luthier.stores.journal.repair_journal",
    "luthier.stores.open_store",
    "luthier.stores.sql.SqlStore",
    "luthier.testing.executors.AwayContract",
    "luthier.testing.executors.ExecutorContract",
    "luthier.testing.samplers.SamplerContract",
    "luthier.testing.schedulers.SchedulerContract",
    "luthier.testing.store_machine.store_machine",
    "luthier.testing.stores.SharedStoreContract",
    "luthier.testing.stores.StoreContract",
    "luthier.testing.stores.in_threads",
    "luthier.testing.stores.new_study",
    "luthier.testing.stores.trials",
    "luthier.train.EarlyStopping",
    "luthier.train.EpochResult",
    "luthier.train.FitResult",
    "luthier.train.GradientMonitor",
    "luthier.train.Schedule",
    "luthier.train.Tensors",
    "luthier.train.TrainSettings",
    "luthier.train.evaluate",
    "luthier.train.fit",
    "luthier.train.initialize",
    "luthier.train.load_checkpoint",
    "luthier.train.make_loss",
    "luthier.train.make_optimizer",
    "luthier.train.predict",
    "luthier.train.rate_factor",
    "luthier.train.save_checkpoint",
    "luthier.train.seeded",
    "luthier.train.threads",
    "luthier.train.training_space",
    "luthier.train.tunables",
    "luthier.web.app.create_app",
    "luthier.web.client.create_study",
}
