"""numpy's linear algebra in one thread: for small matrices, waking the others costs far more than they save, and they
go on spinning beside whatever else the cores have to do."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

# The number of threads is the process's, and threads may be in here at the same time: the first one in lowers it, the
# last one out puts it back.
_lock = threading.Lock()
_inside = 0
_lowered = contextlib.ExitStack()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """While in here, the process's linear algebra is done in one thread."""
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            _lowered.enter_context(_controller().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _lowered.close()


@functools.cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
