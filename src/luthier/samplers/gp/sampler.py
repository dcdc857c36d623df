"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

import numpy as np

from ...history import History
from ...space import Space
from ...surrogates.gp.blas import one_thread
from ...surrogates.gp.kernel import Embedding
from ...surrogates.gp.observations import FAIL, Observations, observations
from ...surrogates.gp.posterior import Posterior
from ...surrogates.gp.refits import Afresh, Fits
from ...surrogates.gp.surrogate import Posteriors, Surrogate
from ...surrogates.gp.targets import Target, constraint, objective, targets
from ...trial import TrialState
from ...types import Configuration, Floats
from ..options import clear_options
from ..startup import default_startup_trials, startup, untried
from ..tried import Tried
from .acquisition import Acquisition, Criterion
from .maximize import maximize
from .plateaus import Steps, on_plateau, step
from .several import MOST_OBJECTIVES, chebyshev, improvement
from .trust_region import Box, trust_region

_INCUMBENTS = 5
_DRAWS = 4  # of hyperparameters, besides their optimum, over which the acquisition is averaged
_AVERAGED = 200  # observations up to which that is done: a draw costs the cube of their number
_PLATEAU = 0.2  # by how much more to improve, in standard deviations, for each further trial of the best value
_AFRESH = Surrogate(Afresh(starts=1, iterations=30))  # of objectives that are weighed differently every time
_PENDING = 100  # running trials that are fantasized; beyond, the latest


@clear_options
class GPSampler:
    """Searches with a Gaussian process (Matérn-5/2, one length scale per parameter) and log expected improvement.

    >>> import luthier as lt
    >>> from luthier.samplers import GPSampler
    >>> study = lt.create_study(sampler=GPSampler(startup_trials=8), seed=0)
    >>> study.optimize(lambda trial: trial.suggest_float("x", -1, 1) ** 2, n_trials=12)
    >>> study.best_value < 0.01
    True

    The strongest sampler for up to a few hundred trials. All kinds of parameters and conditions live in one
    kernel; running trials count as observed at their predicted value; constraints and failures have processes
    of their own. Pruned trials count with their last value, but never as better than the median of complete ones.
    Where several trials have the very same best value, they lie on a plateau: then more than a small improvement is
    looked for, which leads elsewhere. A search that has seen nothing better than a plateau spreads out at random, and
    where close trials have the very same values, nothing is looked for that close to any trial (see `plateaus`).
    For two to four objectives it is the log expected hypervolume improvement; more are scalarised at random
    (ParEGO), anew for every suggestion.

    Args:
        startup_trials: how many trials of the initial design come first; None for max(5, min(d, 15)): with more the
            model comes too late for a budget of 25, and after 100 trials it makes no difference.

    Not safe for threads by itself: a study calls its sampler under its lock.
    """

    def __init__(self, startup_trials: int | None = None) -> None:
        self.startup_trials = startup_trials
        self._surrogate = Surrogate(Fits())

    def __repr__(self) -> str:
        return f"GPSampler(startup_trials={self.startup_trials})"

    def suggest(self, space: Space, history: History, rng: np.random.Generator, n: int) -> list[Configuration]:
        """n configurations to try next; see `Sampler`."""
        first = default_startup_trials(space, per_parameter=1) if self.startup_trials is None else self.startup_trials
        initial = startup(space, history, rng, n, first)
        if initial is not None:
            return initial
        if len(space) == 0:
            return [{} for _ in range(n)]
        with one_thread():
            return space.decode(self._rows(space, history, rng, n))

    def _rows(self, space: Space, history: History, rng: np.random.Generator, n: int) -> Floats:
        """n encoded rows, one after the other; each counts as running for the next."""
        seen = observations(history)
        if len(seen) < 2:
            return untried(space, history, space.sample(rng, n), rng)
        embedding = Embedding(space)
        acquisition, incumbents, box = self._acquisition(space, embedding, seen, rng)
        if acquisition is None:
            return untried(space, history, space.sample(rng, n), rng)
        tried = Tried(space.snap(history.X[history.states != TrialState.WAITING]))
        pending = history.X[history.is_running][-_PENDING:]
        if len(pending):
            acquisition = acquisition.fantasize(embedding(pending))
        rows: list[Floats] = []
        for i in range(n):
            row = maximize(space, embedding, acquisition, incumbents, tried, rng, box)
            rows.append(row)
            if i < n - 1:
                tried = tried.with_rows(row[None])
                acquisition = acquisition.fantasize(embedding(row[None]))
        return np.stack(rows)

    def _acquisition(
        self, space: Space, embedding: Embedding, seen: Observations, rng: np.random.Generator
    ) -> tuple[Criterion | None, Floats, Box | None]:
        """What to maximise, the best rows known, the best first, and where to look.

        Nothing is to be maximised where the search has seen no more than a plateau: any place is as good as another.
        """
        constraints = self._constraints(space, seen)
        good = seen.succeeded
        if not good.any():
            acquisition = Acquisition((), constraints)
            order = np.argsort(-acquisition.value(embedding(seen.X)), kind="stable")
            return acquisition, seen.X[order[:_INCUMBENTS]], None
        if 1 < seen.losses.shape[1] <= MOST_OBJECTIVES:
            return *improvement(space, seen, constraints, self._surrogate, rng), None
        found = self._objective(space, seen, rng)
        chosen, posteriors, y = found.rows, found.processes, found.Y[0]
        good = good[chosen]
        means = [np.where(good, posterior.means(y), np.inf) for posterior in posteriors]
        order = np.argsort(means[0], kind="stable")[: min(_INCUMBENTS, int(good.sum()))]
        margin = _PLATEAU * (np.count_nonzero(y[good] == y[good].min()) - 1)
        objectives = [(p, float(m.min()) - margin) for p, m in zip(posteriors, means, strict=True)]
        incumbents = seen.X[chosen][order]
        acquisition = Acquisition(objectives, constraints)
        if seen.losses.shape[1] > 1:
            return acquisition, incumbents, None
        Z, losses = posteriors[0].Z[good], seen.losses[chosen, 0][good]
        mostly_numbers = 2 * len(embedding.numeric) > embedding.groups  # categories lie equally far from each other
        if mostly_numbers and on_plateau(Z, losses):
            return None, incumbents, None
        width = step(Z, losses)
        box = trust_region(space, embedding, posteriors[0], seen, incumbents[0])
        return Steps(acquisition, posteriors[0], width) if width else acquisition, incumbents, box

    def _objective(self, space: Space, seen: Observations, rng: np.random.Generator) -> Posteriors:
        """The process of the objective; where trials are few, also some with other hyperparameters."""
        if seen.losses.shape[1] == 1:
            surrogate, target = self._surrogate, objective(seen)
        else:
            total = chebyshev(seen.losses, seen.states, rng)
            scalarised = Target("scalarised", seen.X, total[:, None], lambda m: targets(total[:m], seen.states[:m]))
            surrogate, target = _AFRESH, scalarised
        if len(seen) <= _AVERAGED:
            return surrogate.drawn(space, target, rng, _DRAWS)
        return surrogate.posteriors(space, [target])

    def _constraints(self, space: Space, seen: Observations) -> list[tuple[Posterior, float]]:
        """A process for every constraint, and one for success where there are failures."""
        columns = list(seen.constraints.T)
        failed = seen.states == FAIL
        if failed.any():
            columns.append(np.where(failed, 1.0, -1.0))
        found = []
        for i, column in enumerate(columns):
            known = np.isfinite(column)
            if known.any():
                target, threshold = constraint(f"constraint {i}", seen.X[known], column[known])
                near = np.abs(target.y - threshold)  # what lies near the border says most about it
                found.append((self._surrogate.posteriors(space, [target], order=near).processes[0], threshold))
        return found
