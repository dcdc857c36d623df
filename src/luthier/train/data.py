"""In-memory data and its batches: indexing a tensor is much faster than a DataLoader for data that fits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from ..errors import DataError


@dataclass(frozen=True, eq=False)
class Tensors:
    """Holds examples and what is to be learned of them, as two tensors of equal length.

    >>> import torch
    >>> from luthier.train import Tensors
    >>> data = Tensors(torch.zeros(10, 3), torch.arange(10) % 2)
    >>> len(data), data.inputs.shape[1]
    (10, 3)

    Attributes:
        inputs: (n, ...) what the model takes.
        targets: (n,) classes as integers, or (n, ...) numbers.

    Raises:
        DataError: no examples, different lengths, or inputs or targets that are not finite.
    """

    inputs: Tensor
    targets: Tensor

    def __post_init__(self) -> None:
        if self.inputs.dim() == 0 or self.targets.dim() == 0 or len(self.inputs) != len(self.targets):
            raise DataError(
                f"inputs {tuple(self.inputs.shape)} and targets {tuple(self.targets.shape)} differ in their first "
                "axis: there must be one target for each example"
            )
        if len(self.inputs) == 0:
            raise DataError("there are no examples: give at least one")
        for name, tensor in (("inputs", self.inputs), ("targets", self.targets)):
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise DataError(f"the {name} hold NaN or infinite numbers: replace them or drop their examples")

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device | str) -> Tensors:
        """The same data on a device."""
        return Tensors(self.inputs.to(device), self.targets.to(device))


def as_tensors(data: Tensors | TensorDataset) -> Tensors:
    """Data as `Tensors`; a `TensorDataset` must hold inputs and targets, in this order.

    Raises:
        DataError: it is neither, or as for `Tensors`.
    """
    if isinstance(data, Tensors):
        return data
    if isinstance(data, TensorDataset) and len(data.tensors) == 2:
        return Tensors(*data.tensors)
    raise DataError(f"the data is a {type(data).__name__}: give Tensors(inputs, targets) or a TensorDataset of two")


def number_of_batches(examples: int, batch_size: int) -> int:
    """Batches of an epoch, none above `batch_size`, unless a batch of one example could be avoided.

    Batch normalisation cannot learn from one example, so a rest of one is never left over.
    """
    batches = -(-examples // batch_size)
    return batches if batch_size == 1 else min(batches, max(1, examples // 2))


def shuffled_batches(examples: int, batches: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Indices of all examples in random order, in batches whose sizes differ by one at most."""
    return torch.randperm(examples, generator=generator).tensor_split(batches)
