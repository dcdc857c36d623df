from __future__ import annotations

import numpy as np
import pytest

import luthier as lt
from luthier.analysis import expected_order
from luthier.history import History
from luthier.space import Float, Space
from luthier.trial import TrialRecord, TrialState

SPACE = Space({"x": Float(0, 1), "y": Float(0, 1)})


def history(rows, direction="minimize", space=SPACE):
    """Of (params, value or None for a failure, constraints)."""
    h = History(space, (direction,))
    h.put(
        TrialRecord(i, TrialState.FAIL, p) if v is None else TrialRecord(i, TrialState.COMPLETE, p, (v,), c)
        for i, (p, v, c) in enumerate(rows)
    )
    return h


def bowl(p):
    return (p["x"] - 0.3) ** 2 + (p["y"] - 0.6) ** 2


def points(n, seed=0):
    return SPACE.decode(SPACE.sample(np.random.default_rng(seed), n))


def test_without_noise_the_order_of_the_best_is_theirs():
    rows = [(p, bowl(p), ()) for p in points(40)]
    order = expected_order(history(rows))
    observed = np.argsort([v for _, v, _ in rows])
    assert order[:10].tolist() == observed[:10].tolist() and sorted(order) == list(range(40))


def test_a_lucky_value_that_its_neighbours_do_not_support_does_not_win():
    noise = np.random.default_rng(0)
    far = {"x": 0.95, "y": 0.05}
    around = [{"x": 0.95 + dx, "y": 0.05 + dy} for dx in (-0.03, 0.03) for dy in (-0.03, 0.03)]
    rows = [(p, bowl(p) + 0.1 * noise.standard_normal(), ()) for p in points(60) + around]
    least = min(v for _, v, _ in rows)
    rows.append((far, least - 0.01, ()))  # bowl(far) is 0.73
    order = expected_order(history(rows))
    assert order[0] != len(rows) - 1
    assert bowl(rows[order[0]][0]) < 0.1


def test_in_noise_it_is_closer_to_the_best_than_the_best_value_is():
    observed, expected = [], []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        ps = points(150, seed)
        values = [bowl(p) + 0.2 * rng.standard_normal() for p in ps]
        order = expected_order(history([(p, v, ()) for p, v in zip(ps, values, strict=True)]))
        observed.append(bowl(ps[int(np.argmin(values))]))
        expected.append(bowl(ps[order[0]]))
    assert np.mean(expected) < 0.7 * np.mean(observed)


def test_equal_configurations_share_what_they_showed():
    same, other = {"x": 0.5, "y": 0.5}, {"x": 0.1, "y": 0.9}
    rows = [(same, v, ()) for v in (0.0, 2.0, 2.0, 2.0, 2.0)] + [(other, v, ()) for v in (0.8, 0.9, 1.0, 0.9, 0.8)]
    assert expected_order(history(rows))[0] >= 5


def test_only_complete_and_feasible_trials_are_ranked():
    ps = points(6)
    rows = [(p, None if i == 1 else bowl(p), (1.0,) if i == 2 else (-1.0,)) for i, p in enumerate(ps)]
    assert sorted(expected_order(history(rows))) == [0, 3, 4, 5]


def test_larger_is_better_where_that_is_the_direction():
    rows = [(p, -bowl(p), ()) for p in points(40)]
    assert expected_order(history(rows, "maximize"))[0] == int(np.argmax([v for _, v, _ in rows]))


def test_few_trials_none_and_a_space_without_parameters():
    assert expected_order(history([])).tolist() == []
    assert expected_order(history([(points(1)[0], None, ())])).tolist() == []
    assert expected_order(history([(points(1)[0], 3.0, ())])).tolist() == [0]
    assert expected_order(history([({}, v, ()) for v in (3.0, 1.0, 2.0)], space=Space({}))).tolist() == [1, 2, 0]


@pytest.mark.parametrize("values", [[1.0] * 8, [1e30, *range(7)], [1e-300 * i for i in range(8)]])
def test_odd_values_do_no_harm(values):
    order = expected_order(history([(p, float(v), ()) for p, v in zip(points(8), values, strict=True)]))
    assert sorted(order) == list(range(8))
    assert values[order[0]] < 1e30


def test_many_trials_cost_no_more_than_the_model_takes():
    ps = points(1500)
    order = expected_order(history([(p, bowl(p), ()) for p in ps]))
    assert len(order) == 1500 and bowl(ps[order[0]]) < 0.01


def test_a_study_recommends_it():
    study = lt.create_study(space=SPACE, seed=0)
    with pytest.raises(ValueError, match="no complete, feasible trial"):
        _ = study.recommended_trial
    study.optimize(lambda trial: bowl(trial.params), n_trials=12)
    assert study.recommended_trial == study.trials[expected_order(study.history)[0]]
    two = lt.create_study(space=SPACE, directions=["minimize", "minimize"])
    with pytest.raises(ValueError, match="best_trials"):
        _ = two.recommended_trial
