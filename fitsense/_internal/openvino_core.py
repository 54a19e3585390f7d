"""OpenVINO cores that leave the signals of a process alone."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import openvino as ov


class _Stack(ctypes.Structure):
    """Linux' ``stack_t``."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def openvino_core() -> ov.Core:
    """A new core of OpenVINO's; also for plugins and hosts that run networks of their own.

    On Linux, OpenVINO's part for CPUs handles signals of the thread that first uses it on another stack, and takes that
    away when it ends (openvinotoolkit/openvino#11894). If it ends in another thread, or after other cores have begun,
    that thread is left with a stack that is not there: Ctrl-C is then a segmentation fault. Here that part begins at
    once, and the thread keeps the stack that it had.
    """
    import openvino as ov

    with _keeping_the_stack_of_signals():
        core = ov.Core()
        core.get_property("CPU", "FULL_DEVICE_NAME")
    return core


@contextlib.contextmanager
def _keeping_the_stack_of_signals() -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    library, stack = ctypes.CDLL(None), _Stack()
    library.sigaltstack(None, ctypes.byref(stack))
    try:
        yield
    finally:
        library.sigaltstack(ctypes.byref(stack), None)
