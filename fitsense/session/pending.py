"""A frame between the two halves of a step: before the model's predictions for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
from numpy.typing import NDArray

from fitsense.camera.monitor import CameraWarning
from fitsense.errors import InvalidInputError
from fitsense.pictures import Order
from fitsense.session.perception import Percept
from fitsense.types import Frame
from fitsense.windowing.sampler import Output, Window


@attrs.frozen(eq=False)
class PendingFrame:
    """A frame, or the end, before the model's predictions for it.

    :param outputs: windows, gaps, resets and the like, in order.
    :param time_s: the frame's media time in seconds; None for a frame that was dropped or skipped, and for the end.
    :param camera_warnings: warnings of the camera monitor that end with the run.
    """

    outputs: Sequence[Output]
    time_s: float | None = None
    camera_warnings: Sequence[CameraWarning] = ()

    @property
    def windows(self) -> list[Window]:
        """Windows to predict."""
        return [output for output in self.outputs if isinstance(output, Window)]


@attrs.frozen(eq=False)
class PerceivedFrame(PendingFrame):
    """A pending frame with the session's own results; hosts need only :class:`PendingFrame`.

    :param percept: perception of the frame; None if it comes too soon for the repetition counter.
    """

    percept: Percept | None = None


def as_frame(rgb: NDArray[Any] | Frame, time_s: float | None, order: Order = "rgb") -> Frame:
    """A frame from the arguments of ``push``: a frame, or a picture, its time and the order of its channels.

    :raises InvalidInputError: a picture without a time, an invalid picture or time, or an order beside a frame.
    """
    if isinstance(rgb, Frame):
        if order != "rgb":
            raise InvalidInputError(
                f"order: expected none beside a Frame, got {order!r}; use Frame(picture, time_s, order={order!r})"
            )
        return rgb
    if time_s is None:
        raise InvalidInputError("time_s: expected the frame's time in seconds, got None")
    return Frame(rgb, time_s, order=order)
