"""Containers for tests, and what is written into their headers."""

from __future__ import annotations

import struct
from pathlib import Path

CONTAINERS = {
    ".mp4": ("libx264", "yuv420p"),
    ".mov": ("libx264", "yuv420p"),
    ".mkv": ("libx264", "yuv420p"),
    ".avi": ("mpeg4", "yuv420p"),
    ".webm": ("libvpx", "yuv420p"),
    ".gif": ("gif", "rgb8"),
}


def set_display_matrix(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a display matrix (a, b, c, d) into an .mp4's first track header, in place."""
    a, b, c, d = (value << 16 for value in matrix)
    content = bytearray(path.read_bytes())
    header = content.index(b"tkhd")
    at = header + 4 + 4 + 20 + 8 + 8  # after version and flags, times and ids, reserved, layer and volume
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    assert content[at : at + 36] == identity
    content[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
