"""The one OpenVINO core of a process."""

from __future__ import annotations

import functools
import threading

import openvino as ov

_lock = threading.Lock()


def openvino_core() -> ov.Core:
    """OpenVINO's core, the same one at every call; also for plugins that run networks of their own.

    It lives as long as the process: a core that ends may take the memory away in which threads handle signals
    (openvinotoolkit/openvino#11894 put it there), and then an interruption is a segmentation fault. That happens when
    cores end in another order than the opposite of that in which they began, or in other threads.
    """
    with _lock:
        return _made()


@functools.cache
def _made() -> ov.Core:
    return ov.Core()
