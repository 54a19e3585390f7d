"""How the server's process takes memory."""

from __future__ import annotations

import ctypes
import platform

# M_MMAP_THRESHOLD of malloc.h.
_MMAP_THRESHOLD = -3
_LARGE_BYTES = 1 << 20


def return_large_blocks() -> bool:
    """Have freed pictures given back to the system at once; whether the C library can.

    glibc raises the size from which blocks are mapped by themselves up to the largest that was freed. Pictures then
    come from heaps, of which each decoder's threads use others, and stay there: 14 MB for each upload in 4K.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    return bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES))
