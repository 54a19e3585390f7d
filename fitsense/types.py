"""The values that cross fitsense's boundary: frozen, validated, numpy only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, get_args

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.errors import InvalidInputError
from fitsense.pictures import Order, as_rgb

Task = str
"""Name of a task: ``exercise``, ``muscles``, or one that a plugin declares."""
ActivationName = Literal["softmax", "sigmoid", "identity"]
Fit = Literal["crop", "pad", "person"]
UInt8Array = NDArray[np.uint8]
FloatArray = NDArray[np.float32]
TimeArray = NDArray[np.float64]


@attrs.frozen
class CustomActivation:
    """An activation function that is not among fitsense's.

    :param name: name in bundles.
    :param to_values: function from logits, float32 (clips, labels), to values of the same shape.
    :param to_logits: its inverse, for fusions that average values.
    """

    name: str
    to_values: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    to_logits: Callable[[NDArray[np.float32]], NDArray[np.float32]]


Activation = ActivationName | CustomActivation
"""From logits to values: ``softmax`` (one label holds), ``sigmoid`` (any number of labels hold), ``identity``
(numbers), or a :class:`CustomActivation`."""
ACTIVATIONS: tuple[ActivationName, ...] = get_args(ActivationName)

MAX_SECONDS = 1e9
"""Largest absolute media time in seconds, some thirty years; later times would leave the calendar's range."""


def _read_only(value: Any, dtype: type[np.generic]) -> NDArray[Any]:
    """Convert `value` to a read-only array of `dtype`; only numbers are converted to floats, nothing to uint8."""
    try:
        array = np.asarray(value)
    except Exception as error:
        raise InvalidInputError(
            f"expected an array of {np.dtype(dtype).name}, got {type(value).__name__}: {error}"
        ) from error
    if array.dtype != dtype:
        if not (array.dtype.kind in "fiu" and np.dtype(dtype).kind == "f"):
            raise InvalidInputError(f"expected dtype {np.dtype(dtype).name}, got {array.dtype.name}")
        array = array.astype(dtype)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _uint8(value: Any) -> UInt8Array:
    return _read_only(value, np.uint8)


def _float32(value: Any) -> FloatArray:
    return _read_only(value, np.float32)


def _number(value: Any) -> float:
    """Convert `value` to a float. Text is refused: a number in quotes is a mistake of the caller's."""
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInputError(f"expected a number that a float can hold, got {repr(value)[:40]}") from None


def _strings(value: Iterable[str]) -> tuple[str, ...]:
    return tuple(value)


def _shape(*expected: int | str) -> Callable[[Any, attrs.Attribute[Any], NDArray[Any]], None]:
    """Validator of an array's shape; a str names a free dimension of at least 1."""

    def validate(instance: Any, attribute: attrs.Attribute[Any], value: NDArray[Any]) -> None:
        fits = value.ndim == len(expected) and all(
            actual == want if isinstance(want, int) else actual >= 1
            for actual, want in zip(value.shape, expected, strict=True)
        )
        if not fits:
            shape = ", ".join(str(want) for want in expected)
            raise InvalidInputError(
                f"{type(instance).__name__}.{attribute.name}: expected shape ({shape}), got {value.shape}"
            )

    return validate


def _finite(instance: Any, attribute: attrs.Attribute[Any], value: Any) -> None:
    if not np.all(np.isfinite(value)):
        raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected finite numbers, got {value!r}")


def _positive(instance: Any, attribute: attrs.Attribute[Any], value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise InvalidInputError(f"{type(instance).__name__}.{attribute.name}: expected a number above 0, got {value!r}")


@attrs.frozen(eq=False, init=False)
class Frame:
    """One picture of a video.

    :param rgb: uint8 of shape (height, width, 3).
    :param time_s: presentation time in seconds of media time.
    :param order: order of the channels of `rgb`: ``bgr`` for pictures of OpenCV, which are converted.
    :raises InvalidInputError: a picture of another type or layout, with the expression that converts it; an invalid
        time.
    """

    rgb: UInt8Array
    time_s: float = attrs.field(converter=_number)

    def __init__(self, rgb: NDArray[Any], time_s: float, *, order: Order = "rgb") -> None:
        self.__attrs_init__(as_rgb(rgb, order), time_s)

    @time_s.validator
    def _in_range(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not abs(value) <= MAX_SECONDS:
            raise InvalidInputError(
                f"Frame.{attribute.name}: expected finite seconds of media time, within {MAX_SECONDS:.0e}, "
                f"got {value!r}"
            )


@attrs.frozen
class ClipSpec:
    """Input of a backbone.

    :param frames: pictures in a clip.
    :param rate_hz: sampling rate in pictures a second.
    :param size: side of the square, in pixels.
    :param short_side: length to which a frame's short side is scaled first, in pixels.
    :param fit: how a frame becomes a square: ``crop`` keeps its centre; ``pad`` keeps all of it, centred on
        black, scaled down further if its long side does not fit; ``person`` keeps a square around the tracked person,
        which moves only if it must, and the centre where nobody is tracked.
    """

    frames: int = attrs.field(validator=_positive)
    rate_hz: float = attrs.field(converter=_number, validator=_positive)
    size: int = attrs.field(validator=_positive)
    short_side: int = attrs.field(validator=_positive)
    fit: Fit = attrs.field(default="crop", validator=attrs.validators.in_(get_args(Fit)))

    def __attrs_post_init__(self) -> None:
        value, attribute = self.short_side, attrs.fields(ClipSpec).short_side
        if self.fit == "pad" and value > self.size:
            raise InvalidInputError(f"ClipSpec.{attribute.name}: expected at most size ({self.size}), got {value}")
        if self.fit != "pad" and value < self.size:
            raise InvalidInputError(f"ClipSpec.{attribute.name}: expected at least size ({self.size}), got {value}")

    @property
    def span_s(self) -> float:
        """Seconds of media time that a clip covers."""
        return self.frames / self.rate_hz

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of a clip: (frames, size, size, 3)."""
        return (self.frames, self.size, self.size, 3)


@attrs.frozen(eq=False)
class Clip:
    """The pictures of one window for one branch.

    :param frames: uint8 of shape (frames, size, size, 3).
    :param start_s: start of the window, in seconds of media time.
    :param end_s: end of the window, in seconds of media time.
    """

    frames: UInt8Array = attrs.field(converter=_uint8, validator=_shape("frames", "height", "width", 3))
    start_s: float = attrs.field(converter=_number, validator=_finite)
    end_s: float = attrs.field(converter=_number, validator=_finite)


@attrs.frozen(eq=False)
class Scores:
    """Output of heads or of a fusion for one task, before the activation.

    :param task: ``exercise``, ``muscles``, or a task that a plugin declares.
    :param labels: catalogue ids or the task's labels, one for each score.
    :param logits: float32 of shape (clips, labels).
    :param activation: ``softmax`` (one label holds), ``sigmoid`` (any number of labels hold), ``identity`` (numbers) or
        a :class:`fitsense.plugins.CustomActivation`.
    :param evidence: factor of the branch's weight for each clip, float32 of shape (clips,): 1 if the branch saw what it
        looks for, such as a person, in all of the clip, 0 if it never did. None for 1.
    """

    task: Task
    labels: tuple[str, ...] = attrs.field(converter=_strings)
    logits: FloatArray = attrs.field(converter=_float32)
    activation: Activation = attrs.field()
    evidence: FloatArray | None = attrs.field(default=None, converter=attrs.converters.optional(_float32))

    @activation.validator
    def _is_known(self, attribute: attrs.Attribute[Any], value: Activation) -> None:
        if not isinstance(value, CustomActivation) and value not in ACTIVATIONS:
            raise InvalidInputError(
                f"Scores.{attribute.name}: expected {', '.join(ACTIVATIONS)} or a CustomActivation, got {value!r}"
            )

    @logits.validator
    def _one_column_a_label(self, attribute: attrs.Attribute[Any], value: FloatArray) -> None:
        if value.ndim != 2 or value.shape[1] != len(self.labels):
            raise InvalidInputError(
                f"Scores.{attribute.name}: expected shape (clips, {len(self.labels)}), got {value.shape}"
            )
        _finite(self, attribute, value)

    @evidence.validator
    def _one_share_a_clip(self, attribute: attrs.Attribute[Any], value: FloatArray | None) -> None:
        if value is None:
            return
        if value.shape != (len(self.logits),):
            raise InvalidInputError(
                f"Scores.{attribute.name}: expected shape ({len(self.logits)},), one share a clip, got {value.shape}"
            )
        if not ((value >= 0) & (value <= 1)).all():
            raise InvalidInputError(
                f"Scores.{attribute.name}: expected shares in 0..1, got {value.min()} to {value.max()}"
            )

    @property
    def probabilities(self) -> FloatArray:
        """float32 of shape (clips, labels): the activation of the logits; for a regression, its numbers."""
        return to_probabilities(self.logits, self.activation)

    def select(self, clips: NDArray[Any]) -> Scores:
        """Scores of some clips.

        :param clips: indices, or bool (clips,).
        """
        evidence = None if self.evidence is None else self.evidence[clips]
        return attrs.evolve(self, logits=self.logits[clips], evidence=evidence)


@attrs.frozen(eq=False)
class Prediction:
    """A model's prediction for one window.

    :param start_s: start of the window, in seconds of media time.
    :param end_s: end of the window, in seconds of media time.
    :param exercise: float32 of shape (labels,): calibrated probabilities that sum to 1.
    :param muscles: float32 of shape (groups,): activations in 0..1.
    :param tasks: values of the tasks that plugins declare, float32 of shape (labels,), by task.
    """

    start_s: float
    end_s: float
    exercise: FloatArray = attrs.field(converter=_float32, validator=[_shape("labels"), _finite])
    muscles: FloatArray = attrs.field(converter=_float32, validator=[_shape("groups"), _finite])
    tasks: Mapping[Task, FloatArray] = attrs.field(factory=dict)


def to_probabilities(logits: FloatArray, activation: Activation) -> FloatArray:
    """Probabilities, or other values, of logits, float32 of the same shape (..., labels).

    Softmax goes over the last axis; softmax and sigmoid are computed without overflow.
    """
    if isinstance(activation, CustomActivation):
        return np.asarray(activation.to_values(logits), dtype=np.float32)
    if activation == "identity":
        return logits
    if activation == "softmax":
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True), dtype=np.float32)
    # tanh does not overflow where 1 / (1 + exp(-x)) does.
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)


def to_logits(probabilities: FloatArray, activation: Activation) -> FloatArray:
    """Logits whose probabilities or values are these, float32 of the same shape; probabilities are clipped away from 0
    and 1."""
    if isinstance(activation, CustomActivation):
        return np.asarray(activation.to_logits(probabilities), dtype=np.float32)
    if activation == "identity":
        return np.asarray(probabilities, dtype=np.float32)
    clipped = np.clip(probabilities, 1e-7, 1.0 - 1e-7)
    if activation == "softmax":
        return np.asarray(np.log(clipped), dtype=np.float32)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), dtype=np.float32)
