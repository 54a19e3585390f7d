"""Interpretation of a counter's samples: a path, the sides of its cycles, and their details."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.repetitions.cycles import Cycle, Proposal
from fitsense.repetitions.movement import Details
from fitsense.repetitions.sides import Side
from fitsense.repetitions.trajectory import Path, path, rate_of
from fitsense.types import FloatArray


@attrs.frozen(eq=False)
class SignalView:
    """A signal over the window of one pass.

    :param path: path of the movement, float64 (moments, dimensions); without dimensions if nothing is visible.
    :param split: returns the cycles to count for those of a proposal, each with its side, if sides alternate; otherwise
        nothing. The second argument tells whether they alternated before.
    :param describe: returns the details of a cycle of a proposal, from its first to its last moment, until the next one
        begins; its side is None if sides do not alternate.
    """

    path: Path
    split: Callable[[Proposal, bool], Sequence[tuple[Cycle, Side]]] = lambda proposal, known: ()
    describe: Callable[[Cycle, Proposal, int, Side | None], Details] = lambda cycle, proposal, until, side: Details()


class Signal(Protocol):
    """Reads samples of one shape, one for each moment, as a movement."""

    def view(self, samples: FloatArray, moments: NDArray[np.float64]) -> SignalView:
        """View samples at evenly spaced moments, in seconds of media time."""


class ThumbnailSignal:
    """Reads thumbnails, (height, width): all motion in the image."""

    def view(self, samples: FloatArray, moments: NDArray[np.float64]) -> SignalView:
        """View thumbnails, as of :meth:`Signal.view`."""
        return SignalView(path(samples, rate_of(moments)))
