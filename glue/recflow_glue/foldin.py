"""Solves for a user's vector with the item vectors fixed: the last half step of implicit ALS, as recsys.FoldIn in Go.

A = VᵀV + Σ α·w·v·vᵀ + λ·(n / mean n)^ν·I      b = Σ (1 + α·w)·v      over the n items with w > 0
"""

from dataclasses import dataclass

import numpy as np


def gram(vectors: np.ndarray) -> np.ndarray:
    """Return VᵀV in float64, computed over blocks of rows to avoid a float64 copy of V."""
    k = vectors.shape[1]
    g = np.zeros((k, k))
    for i in range(0, len(vectors), 65536):
        block = vectors[i : i + 65536].astype(np.float64)
        g += block.T @ block
    return (g + g.T) / 2


@dataclass(frozen=True)
class FoldIn:
    """The fold-in equation of one version."""

    gram: np.ndarray  # k×k float64
    alpha: float
    regularization: float  # λ
    exponent: float  # ν
    mean_items: float  # mean n

    def vector(self, items: np.ndarray, weights: np.ndarray) -> np.ndarray | None:
        """Return the float32 vector of a user with these item vectors (n×k) and weights (n), or
        None if no weight is positive."""
        w = np.asarray(weights, dtype=np.float64)
        counts = w > 0
        n = int(counts.sum())
        if n == 0:
            return None
        v = np.asarray(items, dtype=np.float64)[counts]
        c = self.alpha * w[counts]
        a = self.gram + (v * c[:, None]).T @ v
        a[np.diag_indices_from(a)] += self.regularization * (n / self.mean_items) ** self.exponent
        return np.linalg.solve(a, v.T @ (1 + c)).astype(np.float32)
