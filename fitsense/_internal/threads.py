"""Worker threads, and their end at interpreter exit."""

from __future__ import annotations

import atexit
import math
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import SimpleNamespace

# Longest wait for threads at exit, in seconds; PyAV checks its timeout every 0.1 s.
_EXIT_TIMEOUT_S = 1.0


class WorkerThread(threading.Thread):
    """A daemon thread that is ended before the interpreter exits.

    :param work: target of the thread.
    :param stop: asks the thread to end; called from any thread. The reference is dropped when the thread ends, so that
        an object that owns the thread can pass its own method.
    """

    def __init__(self, work: Callable[[], None], stop: Callable[[], None], name: str) -> None:
        super().__init__(target=work, name=name, daemon=True)
        self.stop = stop

    def start(self) -> None:
        # Registered once for all threads.
        atexit.unregister(_end_workers)
        atexit.register(_end_workers)
        super().start()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.stop = _nothing


def detached(error: BaseException) -> BaseException:
    """An error caught by the calling function, prepared to be raised in another thread.

    The traceback keeps the origin, but neither the caller's frame, which may refer to the error, nor the locals below
    it, such as a decoder and seconds of pictures.
    """
    origin = error.__traceback__ and error.__traceback__.tb_next
    traceback.clear_frames(origin)
    return error.with_traceback(origin)


def _nothing() -> None:
    """Replaces `stop` when the thread has ended."""


def _end_workers() -> None:
    """End the threads that still work.

    While FFmpeg waits for a packet, PyAV calls Python's clock every 0.1 s to check its timeout. A call after Python has
    ended, while the process still unloads its libraries, is a segmentation fault. PyAV cannot cancel the wait, so the
    clock of these threads is replaced by one that shows the timeout as passed.
    """
    working = [thread for thread in threading.enumerate() if isinstance(thread, WorkerThread)]
    if (core := sys.modules.get("av.container.core")) is not None:
        late = {thread.ident for thread in working}
        core.time = SimpleNamespace(  # type: ignore[attr-defined]
            monotonic=lambda: math.inf if threading.get_ident() in late else time.monotonic()
        )
    for thread in working:
        thread.stop()
    until_s = time.monotonic() + _EXIT_TIMEOUT_S
    for thread in working:
        thread.join(max(0.0, until_s - time.monotonic()))
