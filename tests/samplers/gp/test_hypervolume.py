from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.multiobjective.boxes import decompose
from luthier.samplers.gp.acquisition import Acquisition
from luthier.samplers.gp.hypervolume import (
    HypervolumeAcquisition,
    log_improvement,
    log_improvement_and_slopes,
    reference_point,
)
from luthier.surrogates.gp.kernel import Embedding
from luthier.surrogates.gp.posterior import condition
from luthier.testing.samplers import SPACES


def front_boxes(m, n=8, seed=0):
    points = np.random.default_rng(seed).standard_normal((n, m))
    return points, decompose(points, np.full(m, 2.0))


@pytest.mark.parametrize("m", [2, 3, 4])
def test_expected_improvement_is_that_of_samples(m):
    rng = np.random.default_rng(m)
    _, boxes = front_boxes(m)
    lower, upper = boxes.corners
    for mean, sd in (([-0.5] * m, 0.3), ([0.3] * m, 0.8), ([-1.0, 1.0] + [0.0] * (m - 2), 0.5)):
        samples = mean + sd * rng.standard_normal((20_000, 1, m))
        added = np.prod(np.maximum(upper - np.maximum(lower, samples), 0.0), axis=2).sum(axis=1)
        found = np.exp(log_improvement(np.array([mean]), np.full((1, m), sd), boxes))[0]
        assert found == pytest.approx(added.mean(), abs=4 * added.std() / np.sqrt(20_000))


@pytest.mark.parametrize("m", [2, 3, 4])
def test_without_doubt_it_is_the_volume_of_the_difference(m):
    points, boxes = front_boxes(m)
    new = np.full((1, m), -0.7)
    lower, upper = boxes.corners
    better_lower, better_upper = decompose(np.concatenate([points, new]), np.full(m, 2.0)).corners
    before = np.prod(upper - np.maximum(lower, -9.0), axis=1).sum()
    after = np.prod(better_upper - np.maximum(better_lower, -9.0), axis=1).sum()
    assert np.exp(log_improvement(new, np.full((1, m), 1e-6), boxes))[0] == pytest.approx(before - after, rel=1e-4)


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("away", [0.0, 3.0, 40.0, 1000.0])
def test_slopes(m, away):
    """Also where the improvement itself is far too small for a float."""
    rng = np.random.default_rng(1)
    _, boxes = front_boxes(m)
    mean, sd = rng.standard_normal((4, m)) + away, rng.uniform(0.3, 1.0, (4, m))
    value, by_mean, by_sd = log_improvement_and_slopes(mean, sd, boxes)
    assert np.isfinite(value).all()
    np.testing.assert_allclose(value, log_improvement(mean, sd, boxes))
    assert (by_mean < 0).all()
    for j in range(m):
        step = np.zeros(m)
        step[j] = 1e-5
        for slope, plus, minus in (
            (by_mean, (mean + step, sd), (mean - step, sd)),
            (by_sd, (mean, sd + step), (mean, sd - step)),
        ):
            differences = (log_improvement(*plus, boxes) - log_improvement(*minus, boxes)) / 2e-5
            np.testing.assert_allclose(slope[:, j], differences, rtol=1e-4, atol=1e-4)


numbers = st.one_of(st.floats(-4, 4), st.sampled_from([0.0, 1.0, 1e-9, -1e6, 1e6]))


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 4).flatmap(lambda m: st.lists(st.tuples(*[numbers] * m), min_size=1, max_size=8)), st.data())
def test_it_is_always_a_number(points, data):
    points = np.array(points)
    m = points.shape[1]
    boxes = decompose(points, reference_point(points))
    mean = np.array(data.draw(st.lists(st.tuples(*[numbers] * m), min_size=1, max_size=3)))
    sd = np.full_like(mean, data.draw(st.sampled_from([1e-5, 1e-2, 1.0, 30.0])))
    for found in log_improvement_and_slopes(mean, sd, boxes):
        assert np.isfinite(found).all()


def test_many_at_once_are_what_they_are_alone():
    _, boxes = front_boxes(3, n=60)
    mean = np.random.default_rng(0).standard_normal((3000, 3))
    sd = np.full_like(mean, 0.4)
    some = [0, 1234, 2999]
    np.testing.assert_allclose(log_improvement(mean, sd, boxes)[some], log_improvement(mean[some], sd[some], boxes))


def test_the_reference_point():
    front = np.array([[0.0, 2.0], [1.0, 0.0]])
    dominated = np.array([[5.0, 7.0]])
    np.testing.assert_allclose(reference_point(np.concatenate([front, dominated])), [1.1, 2.2])
    np.testing.assert_allclose(reference_point(np.array([[0.0, 0.0], [4.0, 2.0]])), [0.4, 0.2])  # one point in front
    np.testing.assert_allclose(reference_point(np.array([[3.0, 3.0], [3.0, 3.0]])), [3.1, 3.1])


def acquisition(name, m=2):
    space, rng = SPACES[name], np.random.default_rng(0)
    embedding = Embedding(space)
    F = embedding(space.sample(rng, 15))

    def process():
        warp = rng.normal(0, 0.3, 2 * len(embedding.numeric))
        theta = np.concatenate([rng.normal(0, 0.3, embedding.groups), [0.0, -4.0], warp])
        return condition(embedding, theta, F, rng.standard_normal(15))

    processes = tuple(process() for _ in range(m))
    points = np.stack([p.predict(F)[0] for p in processes], axis=1)
    return HypervolumeAcquisition.of(processes, points, np.ones(m), Acquisition((), [(process(), 0.3)])), embedding


@pytest.mark.parametrize(("name", "m"), [("floats", 2), ("mixed", 3), ("conditional", 4)])
def test_the_gradient(name, m):
    whole, embedding = acquisition(name, m)
    F = embedding(SPACES[name].sample(np.random.default_rng(5), 6))
    for part in (whole, HypervolumeAcquisition.of(whole.processes, whole.points, whole.reference)):
        value, gradient = part.value_and_gradient(F)
        np.testing.assert_allclose(value, part.value(F))
        for j in range(len(embedding.numeric)):
            step = np.zeros_like(F)
            step[:, j] = 1e-6
            slope = (part.value(F + step) - part.value(F - step)) / 2e-6
            np.testing.assert_allclose(gradient[:, j], slope, rtol=1e-4, atol=1e-4)


def test_what_runs_is_not_worth_a_second_trial():
    whole, embedding = acquisition("floats")
    F = embedding(SPACES["floats"].sample(np.random.default_rng(1), 50))
    best = F[[np.argmax(whole.value(F))]]
    assert whole.fantasize(best).value(best) < whole.value(best) - 1
