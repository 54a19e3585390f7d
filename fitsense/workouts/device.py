"""The device that recorded a workout, as phones' health stores require it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from fitsense.errors import InvalidInputError

DEVICE_TYPES: Mapping[str, int] = {
    "unknown": 0,
    "watch": 1,
    "phone": 2,
    "scale": 3,
    "ring": 4,
    "head-mounted": 5,
    "fitness-band": 6,
    "chest-strap": 7,
    "smart-display": 8,
}
"""Health Connect's device types by name."""


@attrs.frozen
class Device:
    """A recording device.

    :param type: one of :data:`DEVICE_TYPES`.
    :param manufacturer: manufacturer; None if unknown.
    :param model: model; None if unknown.
    :raises InvalidInputError: the type is unknown.
    """

    type: str = "unknown"
    manufacturer: str | None = None
    model: str | None = None

    def __attrs_post_init__(self) -> None:
        if self.type not in DEVICE_TYPES:
            raise InvalidInputError(f"device: expected a type of {', '.join(DEVICE_TYPES)}, got {self.type!r}")

    @classmethod
    def parse(cls, text: str) -> Device:
        """Parse a device from ``TYPE``, ``TYPE:MANUFACTURER`` or ``TYPE:MANUFACTURER:MODEL``.

        :raises InvalidInputError: the type is unknown.
        """
        type_, manufacturer, model = [*text.split(":", 2), "", ""][:3]
        return cls(type_, manufacturer or None, model or None)
