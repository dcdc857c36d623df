"""An order of the points of a product of axes, whose beginning already covers it evenly."""

from __future__ import annotations

import math

import numpy as np

from .axes import Levels

_GOLDEN = (math.sqrt(5) - 1) / 2


class Spread:
    """A bijection from 0, 1, 2, … to the points of a product of axes whose prefixes cover it evenly.

    The number is split into mixed-radix digits, the longest axis first. Digit i of axis i is taken in steps
    of the golden ratio and shifted by balanced functions of the digits before it, so that a prefix as long
    as an axis is close to a Latin hypercube. Shifts depend on earlier digits alone: it stays one to one.
    """

    def __init__(self, sizes: list[int]) -> None:
        self.size = math.prod(sizes)
        self._sizes = sizes
        self._order = sorted(range(len(sizes)), key=lambda j: -sizes[j])
        self._dtype = np.int64 if max([*sizes, 1]) < 2**31 else object
        rng = np.random.default_rng(len(sizes))
        self._steps = [_coprime(round(m * _GOLDEN), m) for m in sizes]
        self._factors = rng.integers(1, 2**31, size=(len(sizes), len(sizes)))
        self._shifts = rng.integers(0, 2**31, size=(len(sizes), len(sizes)))

    def __call__(self, numbers: Levels) -> Levels:
        """(n, axes) levels of points with these numbers (n,)."""
        rest = numbers if numbers.dtype == object else numbers.astype(self._dtype)
        found = np.zeros((len(rest), len(self._sizes)), dtype=self._dtype)
        digits: list[tuple[int, Levels]] = []
        for j in self._order:
            m = self._sizes[j]
            rest, digit = rest // m, (rest % m).astype(self._dtype)
            level = digit * self._steps[j] + int(self._shifts[j, j]) % m
            for i, earlier in digits:
                k = self._sizes[i]
                mixed = (earlier * _coprime(int(self._factors[i, j]) % k, k) + int(self._shifts[i, j]) % k) % k
                level = level + mixed * m // k
            found[:, j] = level % m
            digits.append((j, digit))
        return found


def _coprime(step: int, m: int) -> int:
    """The first number from `step` on that shares no divisor with m."""
    step = max(step, 1)
    while math.gcd(step, m) != 1:
        step += 1
    return step
