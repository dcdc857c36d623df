"""`luthier tune image` from Python: search, re-run, judge once on sealed data, report."""

import luthier as lt
from luthier.confirm import check, choose, rerun
from luthier.report import write_report
from luthier.schedulers import MedianPruner
from luthier.tasks.image import ImageTask

if __name__ == "__main__":
    task = ImageTask("digits", epochs=15)
    study = lt.create_study(
        direction="maximize", space=task.space, pruner=MedianPruner(n_warmup_steps=3), storage="digits.db", seed=0
    )
    study.enqueue_trial(task.space.defaults())
    study.optimize(task.objective, n_trials=20, n_jobs=2, show_progress_bar=True)
    again = rerun(study.history, lambda params, seed: task.train(params, seed).accuracy, top=3, seeds=3)
    best = task.train(study.space.restore(choose(again).best.params), seed=1)
    baseline = task.train(task.space.defaults(), seed=1)
    verdict = check("accuracy", *task.check(best.model, baseline.model))
    print(verdict)
    print(write_report("report.html", study, metric="validation accuracy", confirmation=again, check=verdict))
