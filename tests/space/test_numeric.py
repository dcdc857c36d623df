import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.errors import SpaceError
from luthier.space import Choice, Float, Int, Ordinal

finite = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(2, 1), "low=2 is greater than high=1"),
        (lambda: Int(2, 1), "low=2 is greater than high=1"),
        (lambda: Float(0, 1, log=True), "needs low > 0"),
        (lambda: Int(0, 8, log=True), "needs low > 0"),
        (lambda: Float(-1, 1, log=True), "needs low > 0"),
        (lambda: Float(1, 2, log=True, step=0.1), "cannot be combined"),
        (lambda: Int(1, 20, log=True, step=2), "cannot be combined"),
        (lambda: Float(0, 1, step=0), "must be positive"),
        (lambda: Float(0, math.inf), "must be finite"),
        (lambda: Float(math.nan, 1), "must be finite"),
        (lambda: Float("0", 1), "must be a number"),
        (lambda: Float(False, 1), "must be a number"),
        (lambda: Int(0.5, 3), "not a whole number: use Float"),
        (lambda: Float(0, 1, default=2), "outside"),
        (lambda: Int(0, 4, default=2.5), "not a whole number"),
        (lambda: Choice([]), "no choices"),
        (lambda: Choice("adam"), "give a list"),
        (lambda: Choice(["a", "b", "a"]), "'a' is listed twice"),
        (lambda: Choice([lambda x: x]), "no stable name"),
        (lambda: Choice([object()]), "no stable name"),
        (lambda: Choice([math.inf, 1.0]), "give it a label"),
        (lambda: Choice(["a", "b"], default="c"), "'c' is not among the choices 'a', 'b'"),
        (lambda: Ordinal([1, 2, 4], default=3), "3 is not among the choices 1, 2, 4"),
        (lambda: Float(0, 1, when={}), "names no parameter"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(SpaceError, match=message):
        make()


def test_labels_tell_true_one_and_one_point_zero_apart():
    choice = Choice([True, 1, 1.0, "1", None])
    assert [choice.index(label) for label in (True, 1, 1.0, "1", None)] == [0, 1, 2, 3, 4]
    assert choice.restored(choice.stored(1.0)) is choice.values[2]


def test_choices_may_be_objects():
    class Net:
        pass

    def relu():
        pass

    choice = Choice([Net, relu, (3, 3)])
    assert choice.labels == ("Net", "relu", "(3, 3)")
    assert choice.stored(Net) == "Net"
    assert choice.stored("relu") == "relu"
    assert choice.restored("Net") is Net
    large = [3, 4]
    named = Choice({"small": [1, 2], "large": large})
    assert named.restored("large") is large
    assert named.stored(large) == named.stored("large") == "large"


def test_bounds_come_back_exactly():
    for domain in (Float(1e-5, 1e-1, log=True), Float(-3.3, 7.1), Float(0.1, 0.7, step=0.1)):
        assert domain.decode(np.array([0.0]))[0] == domain.low
        assert domain.decode(np.array([1.0]))[0] == pytest.approx(domain.high, abs=0 if domain.step is None else 1e-12)


def test_steps_stay_below_high():
    assert Float(0, 1, step=0.3).decode(np.linspace(0, 1, 50)).max() == pytest.approx(0.9)
    assert set(Int(1, 10, step=4).decode(np.linspace(0, 1, 50))) == {1, 5, 9}


def test_log_integers_are_as_likely_as_their_share_of_the_log_axis():
    domain = Int(1, 100, log=True)
    values = domain.decode((np.arange(100_000) + 0.5) / 100_000)
    expected = (math.log(1.5) - math.log(0.5)) / (math.log(100.5) - math.log(0.5))
    assert np.mean(values == 1) == pytest.approx(expected, abs=1e-3)


@st.composite
def numeric_domains(draw):
    if draw(st.booleans()):
        low = draw(st.integers(-50, 50))
        high = low + draw(st.integers(0, 200))
        log = low >= 1 and draw(st.booleans())
        return Int(low, high, log=log, step=1 if log else draw(st.integers(1, 7)))
    log = draw(st.booleans())
    low = draw(st.floats(1e-6, 10)) if log else draw(st.floats(-100, 100))
    high = low + draw(st.floats(0, 100))
    step = None if log or draw(st.booleans()) else draw(st.floats(0.01, 5))
    return Float(low, high, log=log, step=step)


@settings(deadline=None, max_examples=300)
@given(numeric_domains(), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_decoding_is_inside_and_encoding_undoes_it(domain, u):
    values = domain.decode(np.array(u))
    assert (values >= domain.low).all() and (values <= domain.high).all()
    again = domain.decode(domain.encode(values))
    np.testing.assert_allclose(again, values, rtol=1e-9, atol=1e-9 * max(1.0, abs(domain.high)))
    coordinates = domain.encode(values)
    assert (coordinates >= -1e-12).all() and (coordinates <= 1 + 1e-12).all()
    if domain.size is not None:
        assert len(np.unique(np.round(values, 9))) <= domain.size


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(st.integers(), st.text(), st.booleans(), st.none()), min_size=1, max_size=8))
def test_labelled_domains_round_trip(values):
    from luthier.space.labels import label_key

    distinct = list({label_key(v): v for v in values}.values())
    for kind in (Choice, Ordinal):
        domain = kind(distinct)
        labels = [domain.stored(v) for v in distinct]
        assert [domain.value(float(u)) for u in domain.encode(labels)] == labels
