from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from luthier.errors import DataError
from luthier.train import Tensors
from luthier.train.data import as_tensors, number_of_batches, shuffled_batches


def test_length_and_device():
    data = Tensors(torch.zeros(5, 2), torch.zeros(5))
    assert len(data) == 5
    assert data.to("cpu").inputs.device.type == "cpu"


@pytest.mark.parametrize(
    ("inputs", "targets", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(4), r"inputs \(3, 2\) and targets \(4,\) differ"),
        (torch.tensor(1.0), torch.tensor(1.0), "one target for each example"),
        (torch.zeros(0, 2), torch.zeros(0), "there are no examples"),
        (torch.tensor([[math.nan]]), torch.zeros(1), "the inputs hold NaN"),
        (torch.zeros(1, 1), torch.tensor([math.inf]), "the targets hold NaN"),
    ],
)
def test_bad_data(inputs, targets, message):
    with pytest.raises(DataError, match=message):
        Tensors(inputs, targets)


def test_a_tensor_dataset_is_taken_too():
    x, y = torch.zeros(3, 1), torch.ones(3)
    assert as_tensors(TensorDataset(x, y)).targets is y
    with pytest.raises(DataError, match="a TensorDataset of two"):
        as_tensors(TensorDataset(x))
    with pytest.raises(DataError, match="the data is a tuple"):
        as_tensors((x, y))  # type: ignore[arg-type]


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 300), st.integers(1, 400), st.integers(0, 1000))
def test_batches_hold_every_example_once_and_are_equal(examples, batch_size, seed):
    batches = shuffled_batches(examples, number_of_batches(examples, batch_size), torch.Generator().manual_seed(seed))
    assert sorted(torch.cat(batches).tolist()) == list(range(examples))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= max(batch_size, 3 if batch_size > 1 else 1)
    if batch_size > 1 and examples > 1:
        assert min(sizes) > 1  # batch normalisation cannot learn from one
