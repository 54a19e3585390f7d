"""Hardware decoding: available devices, and why the CPU decodes instead."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.codec.hwaccel import HWAccel, hwdevices_available

from fitsense.errors import InvalidInputError, SourceError
from fitsense.video.opening import Input, can_reopen, open_input, reason_of

# A codec that every type of device decodes, if it decodes any.
_COMMON_CODEC = "h264"


def device_types() -> tuple[str, ...]:
    """Types of devices that this build of FFmpeg supports, such as ``cuda``; this machine may lack them."""
    return tuple(hwdevices_available())


def parse_hwaccel(name: str) -> HWAccel:
    """PyAV's configuration for a device, with the CPU as fallback.

    :param name: type, for its first device, or one device: ``cuda:1``, ``vaapi:/dev/dri/renderD129``.
    :raises InvalidInputError: FFmpeg supports no such type.
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
    """Reason why a device cannot decode, named as for :func:`parse_hwaccel`; None if it works."""
    try:
        parse_hwaccel(name).create(av.Codec(_COMMON_CODEC, "r"))
    except NotImplementedError:
        return f"FFmpeg's own decoders do not use {name}"
    except (av.error.FFmpegError, OSError) as error:
        return str(error)
    return None


def open_accelerated(
    source: str | Path | BinaryIO, timeout_s: float, options: Mapping[str, str], hwaccel: str
) -> tuple[Input, str | None]:
    """Open a source for hardware decoding; for the CPU if the device cannot be opened, then with the reason.

    :raises InvalidInputError: as for :func:`parse_hwaccel`.
    :raises SourceError: the source cannot be opened.
    """
    device = parse_hwaccel(hwaccel)
    if not can_reopen(source) and (fault := fault_of(hwaccel)) is not None:
        return open_input(source, timeout_s, options), _device_reason(fault)
    try:
        return open_input(source, timeout_s, options, device), None
    except SourceError as error:
        cause = error.__cause__
        if not isinstance(cause, av.error.FFmpegError) or isinstance(cause, av.error.ExitError):
            raise
        if not can_reopen(source):
            raise
        # PyAV opens the device with the source, and does not say which failed; opening the source alone shows it.
        return open_input(source, timeout_s, options), _device_reason(reason_of(cause, timeout_s))


def _device_reason(fault: str) -> str:
    return f"its device cannot be opened ({fault}); is its driver installed?"


def software_reason(context: av.VideoCodecContext) -> str | None:
    """Reason for decoding by the CPU although PyAV was given a device; None if the device decodes.

    :param context: decoder of at least one frame.
    """
    if not context.is_hwaccel:
        return f"FFmpeg's decoder of {context.codec.name} does not use it"
    surfaces = {config.format.name for config in context.codec.hardware_configs if config.format is not None}
    if context.pix_fmt not in surfaces:
        return f"it does not decode {context.codec.name} of this kind ({context.pix_fmt})"
    return None
