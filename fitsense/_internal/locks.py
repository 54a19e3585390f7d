"""Process-wide lock for sequences of short NumPy calls, where GIL hand-over costs more than the work.

NumPy releases the GIL in each call on more than a few hundred numbers. If several sessions' threads do so concurrently,
the GIL changes hands thousands of times a second, and waking the next thread costs more than the calls.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

numpy_lock = threading.Lock()
"""Hold for a few milliseconds at most; never block on anything else while holding it."""


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold the lock, and limit BLAS to one thread: for small matrices, waking more threads costs far more than they
    save, and they keep spinning afterwards."""
    with numpy_lock, _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
