from __future__ import annotations

import pytest

from bench import paired
from luthier.samplers.gp import sampler


def test_a_run_is_the_same_again_and_a_constant_can_be_set(monkeypatch):
    monkeypatch.setattr(sampler, "_PLATEAU", sampler._PLATEAU)  # put back at the end
    first = paired.trace("analytic/branin", 3, 15, {})
    assert first == paired.trace("analytic/branin", 3, 15, {})
    assert len(first["regret"]) == 2  # after 10 and 15
    paired.trace("analytic/branin", 3, 10, {"samplers.gp.sampler._PLATEAU": 0.0})
    assert sampler._PLATEAU == 0.0
    with pytest.raises(AttributeError, match=r"luthier\.samplers\.gp\.sampler has no _NONE"):
        paired.trace("analytic/branin", 3, 10, {"samplers.gp.sampler._NONE": 0})


def test_the_table_compares_runs_that_all_have():
    def lines(regrets):
        return [{"problem": "hpolib/a", "seed": seed, "regret": r} for seed, r in enumerate(regrets)]

    text = paired.table({"one": lines([[0.0997, 0.0097], [0.9997, 0.0997]]), "two": lines([[0.0097], [0.0997], [1.0]])})
    assert "all: 2 runs" in text
    assert "| two | 0.10 (±0.000) 1.00 |" in text
    assert "| one | 1.00 (±0.000) 2.00 |" in text
