"""The hyperparameters of the Gaussian process: their parts, their limits and their priors.

θ = (ln ℓ of every group, ln σ², ln noise, the input warp's ln a and ln b of every number). Priors:
ln ℓ ~ N(√2 + ½ ln d, 3) (Hvarfner et al. 2024, arXiv 2402.02229: length scales that grow with the dimension),
ln σ² ~ N(0, 1), ln noise ~ N(-6, 1.5²), ln a and ln b as `input_warp` says.
The maximum over ℓ is that of the density of ℓ itself, not of ln ℓ: it lies at 0.2 √d instead of 4 √d.
With the latter, the first suggestions lie in corners: after 30 trials (5 seeds) the mean regret was 1.08
instead of 0.52 on Hartmann-6, 25.8 instead of 16.2 on Rosenbrock-4, 15.7 instead of 9.4 on Ackley-5.
That density is divided by exp(0.1 / ℓ²), as Optuna's prior is, which moves its maximum to 0.7 for one number, 0.9 for
four and 1.2 for sixteen. Without that, values that scatter within a hundredth of the space were taken for a narrow
valley instead of noise, and a noisy search looked at the same place again and again.
The noise has a floor of 1e-6 in units of the standardised values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...types import Floats
from . import input_warp
from .kernel import Embedding

NOISE_FLOOR = 1e-6
LENGTH_VARIANCE = 3.0
_SHORT = 0.1  # how much a short length scale costs: this over its square
_NOISE_MEAN, _NOISE_SD = -6.0, 1.5
_LIMITS = {"length": (-4.0, 9.0), "variance": (-6.0, 6.0), "noise": (-16.0, 1.0)}


@dataclass(frozen=True)
class Hyperparameters:
    """θ by its parts: log_length (G,), log_variance, log_noise, warp (2p,)."""

    log_length: Floats
    log_variance: float
    log_noise: float
    warp: Floats


def split(theta: Floats, embedding: Embedding) -> Hyperparameters:
    """Return θ by its parts."""
    G = embedding.groups
    return Hyperparameters(theta[:G], float(theta[G]), float(theta[G + 1]), theta[G + 2 :])


def starts(embedding: Embedding) -> list[Floats]:
    """Return where the search for θ begins: length scales that are moderate (½√d), and short ones."""
    scale, unwarped = np.sqrt(max(embedding.groups, 1)), np.zeros(2 * len(embedding.numeric))
    return [
        np.concatenate([np.full(embedding.groups, np.log(length * scale)), [0.0, noise], unwarped])
        for length, noise in ((0.5, -6.0), (0.1, -8.0))
    ]


def bounds(embedding: Embedding, n: int) -> list[tuple[float, float]]:
    """Return the limits (T,) of θ for n observations."""
    limit = input_warp.LIMIT if n >= input_warp.OBSERVATIONS else 0.0
    warp = [(-limit, limit)] * (2 * len(embedding.numeric))
    return [_LIMITS["length"]] * embedding.groups + [_LIMITS["variance"], _LIMITS["noise"], *warp]


def prior(h: Hyperparameters) -> tuple[float, Floats]:
    """Return the negative log of the priors (without constants) and its gradient (T,)."""
    # the density of ℓ is that of ln ℓ over ℓ, which moves the mean of ln ℓ by its variance
    u = (h.log_length - np.sqrt(2.0) - 0.5 * np.log(max(len(h.log_length), 1)) + LENGTH_VARIANCE) / np.sqrt(
        LENGTH_VARIANCE
    )
    v = (h.log_noise - _NOISE_MEAN) / _NOISE_SD
    w = h.warp / input_warp.SD
    short = _SHORT * np.exp(-2.0 * h.log_length)
    value = 0.5 * float(u @ u + h.log_variance**2 + v**2 + w @ w) + float(short.sum())
    by_length = u / np.sqrt(LENGTH_VARIANCE) - 2.0 * short
    return value, np.concatenate([by_length, [h.log_variance, v / _NOISE_SD], w / input_warp.SD])
