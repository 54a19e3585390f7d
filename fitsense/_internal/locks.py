"""One thread at a time where numpy takes many small steps.

numpy lets go of Python's lock in every step of more than a few hundred numbers. Where the threads of several sessions
do so at once, that lock goes from hand to hand thousands of times a second, and to wake whoever has it next costs more
than the steps: it is cheaper to wait for one's turn.
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
"""Held by whoever takes many small steps; for a few milliseconds at most, and nothing else is waited for meanwhile."""


@contextlib.contextmanager
def single_threaded_blas() -> Iterator[None]:
    """A turn, in which the process's linear algebra is done in one thread: for small matrices, waking the others costs
    far more than they save, and they go on spinning beside whatever else the cores have to do."""
    with numpy_lock, _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
