"""Covariance matrices as one of low rank plus a diagonal, which are small to ship and fast to invert."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@attrs.frozen(eq=False)
class Covariance:
    """A covariance matrix: ``factor.T @ factor + diag(diagonal)``.

    :param factor: float64 (rank, dimensions).
    :param diagonal: float64 (dimensions,), positive.
    """

    factor: NDArray[np.float64]
    diagonal: NDArray[np.float64]

    @classmethod
    def of(cls, covariance: NDArray[np.float64], rank: int) -> Covariance:
        """The largest principal components of the correlations, and the variance that they leave.

        :param covariance: positive definite, (dimensions, dimensions).
        :param rank: largest rank.
        """
        variance = np.diagonal(covariance)
        scale = np.sqrt(variance)
        values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
        # All but one component, and the variance of the smallest in every direction, are the whole matrix.
        smallest = values[0] if rank >= len(values) - 1 else 0.0
        largest = slice(max(1, len(values) - rank), None)
        factor = np.ascontiguousarray((vectors[:, largest] * np.sqrt(values[largest] - smallest) * scale[:, None]).T)
        return cls(factor, variance - np.square(factor).sum(axis=0))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Covariance:
        """The covariance of :meth:`arrays`."""
        return cls(arrays["factor"].astype(np.float64), arrays["diagonal"].astype(np.float64))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of a file: the factor as float16, the diagonal as float32."""
        return {"factor": self.factor.astype(np.float16), "diagonal": self.diagonal.astype(np.float32)}

    def times(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of each row with the matrix, (rows, dimensions)."""
        return np.asarray((rows @ self.factor.T) @ self.factor + rows * self.diagonal)

    def solve(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """The product of each row with the inverse, (rows, dimensions), by Woodbury's identity."""
        scaled = rows / self.diagonal
        inner = np.eye(len(self.factor)) + (self.factor / self.diagonal) @ self.factor.T
        return np.asarray(scaled - np.linalg.solve(inner, (scaled @ self.factor.T).T).T @ self.factor / self.diagonal)
