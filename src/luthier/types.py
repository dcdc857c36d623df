"""Names for the plain values that everything passes around; NumPy alone."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Rows: TypeAlias = NDArray[np.intp]

Label: TypeAlias = bool | int | float | str | None
"""A parameter's value as it is stored: a JSON scalar. Any other choice is stored by its label."""

Configuration: TypeAlias = dict[str, Label]
"""The stored values of the active parameters of one trial."""

Direction: TypeAlias = Literal["minimize", "maximize"]

Reports: TypeAlias = tuple[tuple[int, float], ...]
"""Pairs of step and value in the order of steps, each step once."""
