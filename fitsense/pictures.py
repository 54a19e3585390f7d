"""Pictures as programs have them: orders of channels, and what to do with arrays of other layouts and types."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError

Order = Literal["rgb", "bgr"]
"""Order of the channels: ``rgb``, or ``bgr`` as OpenCV has it."""

_CHANNELS = 3


def as_rgb(picture: Any, order: Order = "rgb") -> NDArray[np.uint8]:
    """Convert a picture to a read-only uint8 array of shape (height, width, 3) in RGB.

    :raises InvalidInputError: another type, layout or order; the message has the expression that converts it.
    """
    if order not in get_args(Order):
        raise InvalidInputError(f"order: expected {' or '.join(get_args(Order))}, got {order!r}")
    try:
        array = np.asarray(picture)
    except Exception as error:
        raise InvalidInputError(
            f"Frame.rgb: expected an array of uint8, got {type(picture).__name__}: {error}"
        ) from error
    if array.dtype != np.uint8 or not _is_picture(array):
        raise InvalidInputError(f"Frame.rgb: {_problem(picture, array)}")
    if order == "bgr":
        array = np.ascontiguousarray(array[..., ::-1])
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _is_picture(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.shape[2] == _CHANNELS and array.size > 0


def _problem(picture: Any, array: NDArray[Any]) -> str:
    """The problem of a picture, and the expression that fixes it if there is one."""
    if picture is None:
        return "expected a picture, got None, as OpenCV's read() gives at the end of a video"
    wrong = []
    if array.dtype != np.uint8:
        wrong.append(f"expected dtype uint8, got {array.dtype.name}")
    if not _is_picture(array):
        wrong.append(f"expected shape (height, width, {_CHANNELS}), got {array.shape}")
    name = "picture" if isinstance(picture, np.ndarray) else "numpy.asarray(picture)"
    layout = _colour_last(name, array.shape)
    remedy = _as_uint8(layout, array) if layout else None
    return " and ".join(wrong) + (f"; try {remedy}" if remedy else "")


def _colour_last(name: str, shape: tuple[int, ...]) -> str | None:
    """Expression for a picture with three channels last; None if the array is no picture at all."""
    match shape:
        case _ if 0 in shape:
            return None
        case (_, _, 3):
            return name
        case (_, _):
            return f"numpy.stack([{name}] * 3, axis=-1)"
        case (_, _, 1):
            return f"numpy.repeat({name}, 3, axis=2)"
        case (_, _, 4):
            return f"{name}[..., :3]"
        case (3, _, _):
            return f"numpy.moveaxis({name}, 0, -1)"
        case (4, _, _):
            return f"numpy.moveaxis({name}[:3], 0, -1)"
        case (1, *rest):
            return _colour_last(f"{name}[0]", tuple(rest))
        case _:
            return None


def _as_uint8(name: str, array: NDArray[Any]) -> str | None:
    """Expression for the same picture in uint8; None if its numbers are no brightness."""
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return name
    if kind == "b":
        return f"numpy.uint8({name}) * 255"
    if kind not in "iuf" or not np.isfinite(array).all() or array.min() < 0:
        return None
    brightest = float(array.max())
    if kind == "f" and brightest <= 1.0:
        return f"numpy.uint8({name} * 255)"
    if brightest <= 255:
        return f"numpy.uint8({name})"
    return f"numpy.uint8({name} // 256)" if brightest < 1 << 16 else None
