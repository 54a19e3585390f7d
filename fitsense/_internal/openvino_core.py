"""OpenVINO cores that preserve the signal stack of the thread."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov


class _Stack(ctypes.Structure):
    """``stack_t`` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def openvino_core() -> ov.Core:
    """Create an OpenVINO core; also for plugins and hosts that run their own networks.

    On Linux, OpenVINO's CPU plugin installs an alternative signal stack for the thread that first uses it, and removes
    it when it is unloaded (openvinotoolkit/openvino#11894). If it is unloaded in another thread, or after other cores
    were created, the first thread keeps a dangling stack: Ctrl-C is then a segmentation fault. This function loads the
    CPU plugin immediately and restores the thread's previous stack.
    """
    import openvino as ov

    with _preserved_signal_stack():
        core = ov.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")
    return core


@contextlib.contextmanager
def _preserved_signal_stack() -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    library, stack = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(stack))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(stack), None)
