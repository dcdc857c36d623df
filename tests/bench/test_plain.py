import math

import numpy as np
import pytest

import luthier as lt
from bench.race.plain import WorstSeen, cleaned, labelled, parse
from bench.race.problems import NAMES
from bench.race.problems.analytic import ANALYTIC
from bench.race.problems.runs import LANDSCAPES


@pytest.mark.parametrize("space", [ANALYTIC["tree"].space, lt.Space(LANDSCAPES["atari_qbert_dqn"])])
def test_flat_answers_become_configurations_of_the_space(space):
    parameters = parse(space.to_json())
    rng = np.random.default_rng(0)
    for _ in range(200):
        flat = {p.name: p.low + (p.high - p.low) * rng.random() * 1.01 for p in parameters}  # some above their bound
        flat |= {p.name: int(rng.integers(len(p.labels))) for p in parameters if p.labels}
        space.check(labelled(parameters, cleaned(parameters, flat)))


def test_what_no_adapter_can_express_is_refused():
    with pytest.raises(ValueError, match="'x' has a step"):
        parse(lt.Space({"x": lt.Float(0, 1, step=0.5)}).to_json())
    with pytest.raises(ValueError, match="'y' exists when 'x > 1'"):
        parse(lt.Space({"x": lt.Int(0, 3), "y": lt.Float(0, 1, when="x > 1")}).to_json())
    with pytest.raises(ValueError, match="'y' stands before its parent 'x'"):
        parse(lt.Space({"y": lt.Float(0, 1, when={"x": "a"}), "x": lt.Choice(["a", "b"])}).to_json())


def test_failures_wait_for_a_loss_and_then_get_the_worst():
    finite = WorstSeen()
    assert list(finite("a", math.nan)) == []
    assert list(finite("b", 3.0)) == [("a", 3.0), ("b", 3.0)]
    assert list(finite("c", 1.0)) == [("c", 1.0)]
    assert list(finite("d", math.nan)) == [("d", 3.0)]


def test_every_problem_has_a_name_of_two_parts():
    assert all(len(name.split("/")) == 2 for name in NAMES)
