"""RandomSampler is uniform, and keeps the contract."""

from __future__ import annotations

import numpy as np

from luthier.history import History
from luthier.samplers.random import RandomSampler
from luthier.space import Choice, Float, Int, Space
from luthier.testing.samplers import SamplerContract

SPACE = Space({"lr": Float(1e-4, 1, log=True), "n": Int(1, 4), "c": Choice(["a", "b"])})


class TestContract(SamplerContract):
    def make(self) -> RandomSampler:
        return RandomSampler()


def test_it_is_uniform_on_the_scale_that_was_asked_for() -> None:
    rng, history = np.random.default_rng(0), History(SPACE)
    found = [RandomSampler().suggest(SPACE, history, rng, 1)[0] for _ in range(4000)]
    decades = np.histogram(np.log10([float(x["lr"]) for x in found]), bins=[-4, -3, -2, -1, 0])[0]  # type: ignore[arg-type]
    counts = np.array([sum(x["n"] == k for x in found) for k in range(1, 5)])
    for seen in (decades, counts):
        assert (np.abs(seen - 1000) < 5 * np.sqrt(1000 * 0.75)).all()


def test_one_at_a_time_and_a_batch_come_from_the_same_stream() -> None:
    history = History(SPACE)
    rng = np.random.default_rng(3)
    singly = [RandomSampler().suggest(SPACE, history, rng, 1)[0] for _ in range(5)]
    assert RandomSampler().suggest(SPACE, history, np.random.default_rng(3), 5) == singly
