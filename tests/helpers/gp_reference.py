"""The Gaussian process written out plainly, and problems to compare it on."""

from __future__ import annotations

import numpy as np

from luthier.space import Float, Space
from luthier.surrogates.gp.kernel import Embedding
from luthier.testing.samplers import SPACES


def naive_warp(embedding, theta, F):
    """Every number's distribution function, entry by entry."""
    p = len(embedding.numeric)
    a, b = np.exp(theta[embedding.groups + 2 :]).reshape(2, p)
    G = F.copy()
    for row in G:
        for j in range(p):
            row[j] = 1 - (1 - row[j] ** a[j]) ** b[j]
    return G


def naive_kernel(embedding, theta, F, G):
    """σ²·k(r) entry by entry."""
    F, G = (naive_warp(embedding, theta, A) for A in (F, G))
    K = np.empty((len(F), len(G)))
    for i, a in enumerate(F):
        for j, b in enumerate(G):
            r = np.sqrt(5 * sum((a[k] - b[k]) ** 2 / np.exp(2 * theta[g]) for k, g in enumerate(embedding.group)))
            K[i, j] = np.exp(theta[embedding.groups]) * (1 + r + r * r / 3) * np.exp(-r)
    return K


def problem(name="conditional", n=15, seed=0):
    space, rng = SPACES[name], np.random.default_rng(seed)
    embedding = Embedding(space)
    F = embedding(space.sample(rng, n))
    y = rng.standard_normal(n)
    warp = rng.normal(0, 0.5, 2 * len(embedding.numeric))
    theta = np.concatenate([rng.normal(0, 0.5, embedding.groups), [0.3, -3.0], warp])
    return embedding, theta, F, y


def unit_cube(d):
    return Embedding(Space({f"x{i}": Float(0, 1) for i in range(d)}))
