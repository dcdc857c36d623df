import pytest

from luthier.tasks.image import default_space
from luthier.tasks.image.work import operations_per_image

SHAPE = (1, 28, 28)


def test_arithmetic_by_hand():
    """One convolution of 3 × 3 to 8 channels, a pool to 1 × 1, and the 10 outputs; two operations a product."""
    params = {"blocks": 1, "width": 8, "kernel": 3, "normalization": "none", "grid": 1, "hidden": 0, "batch_size": 64}
    counted = operations_per_image(SHAPE, 10, params) - 200e6 / 64
    assert counted == 2 * (28 * 28 * 9 * 8 + 8 * 10)


@pytest.mark.parametrize(("name", "small", "large"), [("width", 16, 64), ("kernel", 3, 5), ("batch_size", 64, 16)])
def test_what_costs_more_counts_for_more(name, small, large):
    defaults = default_space(SHAPE).defaults()
    one, two = (operations_per_image(SHAPE, 10, {**defaults, name: value}) for value in (small, large))
    assert 0 < one < two
    assert operations_per_image(SHAPE, 10, {**defaults, name: large}) == two
