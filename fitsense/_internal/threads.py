"""Threads that read sources, and what becomes of them when Python ends."""

from __future__ import annotations

import atexit
import math
import threading
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace

# More than enough for those who ask the time every 0.1 s.
_SOON_S = 1.0


class WorkerThread(threading.Thread):
    """A thread that opens or reads sources, and may be left while it waits for a packet: it ends with Python.

    :param read: what it does.
    :param stop: asks it to end; from any thread. It is let go of when the thread has ended, so that an object may keep
        both its thread and the method which that is stopped by.
    """

    def __init__(self, read: Callable[[], None], stop: Callable[[], None], name: str) -> None:
        super().__init__(target=read, name=name, daemon=True)
        self.stop = stop

    def start(self) -> None:
        # Once, however many there are.
        atexit.unregister(_wake)
        atexit.register(_wake)
        super().start()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.stop = _nothing


def handed_over(error: BaseException) -> BaseException:
    """An error that the calling function caught in its thread, to be raised in another one.

    It keeps where it came from, but neither the caller's frame, which may refer to the error, nor what was in use below
    it, such as a decoder and seconds of pictures.
    """
    origin = error.__traceback__ and error.__traceback__.tb_next
    traceback.clear_frames(origin)
    return error.with_traceback(origin)


def _nothing() -> None:
    """What stops a thread that has ended."""


def _wake() -> None:
    """End what still reads.

    While FFmpeg waits for a packet, PyAV asks Python every 0.1 s what time it is, to end what takes too long. Whoever
    asks when Python has ended, and the process is still freeing its libraries, is a segmentation fault. PyAV has no way
    to end the waiting, so those who wait are told that it is late.
    """
    reading = [thread for thread in threading.enumerate() if isinstance(thread, WorkerThread)]
    if not reading:
        return
    import av.container.core as core

    late = {thread.ident for thread in reading}
    core.time = SimpleNamespace(  # type: ignore[attr-defined]
        monotonic=lambda: math.inf if threading.get_ident() in late else time.monotonic()
    )
    for thread in reading:
        thread.stop()
    until_s = time.monotonic() + _SOON_S
    for thread in reading:
        thread.join(max(0.0, until_s - time.monotonic()))
