"""Decoding by hardware: what devices there are, and whether one of them decodes a source."""

from __future__ import annotations

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available

from fitsense.errors import InvalidInputError

# What every type of device decodes, if it decodes at all.
_USUAL = "h264"


def device_types() -> tuple[str, ...]:
    """The types of devices that this build of FFmpeg knows, such as ``cuda``, whether or not there is one here."""
    return tuple(hwdevices_available())


def hwaccel_of(name: str) -> HWAccel:
    """What PyAV is to decode by; what hardware cannot decode, the CPU does.

    :param name: a type, for its first device, or one of its devices: ``cuda:1``, ``vaapi:/dev/dri/renderD129``.
    :raises InvalidInputError: there is no such type.
    """
    kind, _, device = name.partition(":")
    if kind not in device_types():
        raise InvalidInputError(
            f"hwaccel: expected a type that this build of FFmpeg knows, one of {', '.join(device_types()) or 'none'}, "
            f"got {name!r}"
        )
    try:
        return HWAccel(kind, device or None, allow_software_fallback=True)
    except ValueError as error:
        raise InvalidInputError(f"hwaccel: expected a device's number after {kind}:, got {name!r}") from error


def fault_of(name: str) -> str | None:
    """Why nothing is decoded by a device, called as in :func:`hwaccel_of`; None where it is there and works."""
    try:
        hwaccel_of(name).create(av.Codec(_USUAL, "r"))
    except NotImplementedError:
        return f"FFmpeg's own decoders do not use {name}"
    except (av.error.FFmpegError, OSError) as error:
        return str(error)
    return None


def why_on_cpu(context: av.VideoCodecContext) -> str | None:
    """Why the CPU decodes, where PyAV was given a device; None where the device does.

    :param context: which has decoded a frame.
    """
    if not context.is_hwaccel:
        return f"FFmpeg's decoder of {context.codec.name} does not use it"
    surfaces = {config.format.name for config in context.codec.hardware_configs if config.format is not None}
    if context.pix_fmt not in surfaces:
        return f"it does not decode {context.codec.name} of this kind ({context.pix_fmt})"
    return None
