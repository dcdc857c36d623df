"""A monotone bend of every number, learned with the process: few hyperparameters act evenly over their range.

Kumaraswamy's distribution function w(u) = 1 - (1 - u^a)^b (Snoek et al. 2014, arXiv 1402.0929, with that of the Beta
distribution), the identity at a = b = 1. The parameters are ln a and ln b, with the prior N(0, SD²).
"""

from __future__ import annotations

import numpy as np

from ...types import Floats

SD = 0.3  # with 0.5 the first suggestions suffer: few trials bend too much
OBSERVATIONS = 20  # fewer say too little: before, everything is straight
LIMIT = 1.0  # of |ln a| and |ln b|
_EDGE = 1e-6  # where a slope that is infinite at 0 or 1 is taken instead


def warped(F: Floats, parameters: Floats) -> Floats:
    """Features (..., n, P) with the first p warped; parameters (..., 2p) are ln a, then ln b.

    Where there are several sets of parameters, every one warps the same features (n, P).
    """
    p, a, b = _exponents(parameters)
    u = np.clip(F[..., :p], _EDGE, 1 - _EDGE)
    return _joined(F, F[..., :p] - u + (1.0 - (1.0 - u**a) ** b))  # a coordinate outside [0, 1] goes on straight


def warped_with_slopes(F: Floats, parameters: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """What `warped` gives, and the derivatives (..., n, p) of its first p columns by F, ln a and ln b."""
    p, a, b = _exponents(parameters)
    u = np.clip(F[..., :p], _EDGE, 1 - _EDGE)
    log_u = np.log(u)
    power = np.exp(a * log_u)
    log_rest = np.log1p(-power)
    rest = np.exp(b * log_rest)
    by_power = b * rest / (1.0 - power)
    slope = a * by_power * power
    return _joined(F, F[..., :p] + (1.0 - rest - u)), slope / u, slope * log_u, -b * rest * log_rest


def _exponents(parameters: Floats) -> tuple[int, Floats, Floats]:
    """How many numbers there are, and a and b (..., 1, p) of each."""
    p, powers = parameters.shape[-1] // 2, np.exp(parameters)[..., None, :]
    return p, powers[..., :p], powers[..., p:]


def _joined(F: Floats, numbers: Floats) -> Floats:
    """Features with other values (..., n, p) in the first p columns."""
    p = numbers.shape[-1]
    if p == F.shape[-1]:
        return numbers
    joined = np.empty((*numbers.shape[:-1], F.shape[-1]))
    joined[..., :p], joined[..., p:] = numbers, F[..., p:]
    return joined
