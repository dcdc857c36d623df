"""Step 9: the check on the sealed test set."""

from __future__ import annotations

import numpy as np

from ..confirm import Check, check
from ..errors import DataError
from .choice import Winner
from .walk import TITLES, Walk


def judge(walk: Walk, winner: Winner) -> Check:
    """Judge winner and baseline on the sealed test set, once; an existing result of the same winner is kept."""
    folder, task, narrator = walk.folder, walk.task, walk.narrator
    walk.account.begin(TITLES[8])
    confirmed = winner.confirmation is not None
    if folder.has("check"):
        before = folder.load("check")
        same = walk.number(before["winner"]) == walk.number(winner.number)
        if same and before.get("confirmed", True) == confirmed:
            verdict = Check.from_json(before["check"])
            narrator.verdict(task, verdict)
            return verdict
        named = "the default configuration" if before["winner"] is None else f"trial {before['winner']}"
        narrator.line(
            f"The test set was opened before, for {named}; a second look is no longer an unbiased test.", warning=True
        )
    models = [task.load(path) for path in (winner.model, winner.baseline)]
    # a kill between opening and writing decided nothing: the winner is fixed before
    sealed = task.sealed.marked(folder.seal).open(f"{winner.name} against the baseline", again=folder.seal.exists())
    scores = np.asarray(task.score(models, sealed))
    if scores.shape != (2, len(task.sealed)) or not np.isfinite(scores).all():
        what = "some that are not finite" if scores.shape == (2, len(task.sealed)) else f"an array of {scores.shape}"
        raise DataError(
            f"the task {task.name!r} scored two models on {len(task.sealed)} {task.sealed.what}, and gave {what}: "
            f"its score() must return a number for each, {(2, len(task.sealed))}; mend it, and continue"
        )
    best, baseline = scores  # (n,) each
    verdict = check(task.metric, best, baseline, direction=task.direction, seed=task.seed)
    folder.save("check", {"winner": winner.number, "confirmed": confirmed, "check": verdict.to_json()})
    narrator.verdict(task, verdict)
    return verdict
