from __future__ import annotations

import pytest
import torch

from luthier.train import seeded, threads
from luthier.train.seeding import derived_seed


def test_seeded_gives_equal_numbers_and_leaves_the_callers_generator_alone():
    before = torch.get_rng_state()
    with seeded(7):
        a = torch.rand(3)
    with seeded(7):
        b = torch.rand(3)
    with seeded(8):
        c = torch.rand(3)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert torch.equal(before, torch.get_rng_state())


def test_seeded_restores_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="within"), seeded(1):
        torch.rand(1)
        raise RuntimeError("within")
    assert torch.equal(before, torch.get_rng_state())


def test_derived_seeds_differ_and_fit_a_generator():
    seeds = [derived_seed(s, e, p) for s in range(10) for e in range(10) for p in range(3)]
    assert len(set(seeds)) == len(seeds)
    assert derived_seed(3, 1) == derived_seed(3, 1)
    for seed in seeds:
        torch.Generator().manual_seed(seed)


def test_threads_are_set_inside_alone():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
