"""Memory allocation of the server's process."""

from __future__ import annotations

import ctypes
import platform

# M_MMAP_THRESHOLD of malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def return_large_blocks() -> bool:
    """Make the C library return freed pictures to the operating system immediately.

    glibc raises its mmap threshold to the size of the largest freed block. Later pictures then come from per-thread
    heaps, which keep their memory: 14 MB for each upload in 4K.

    :return: whether the C library supports it.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES))
