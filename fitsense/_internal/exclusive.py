"""Refuses a second thread in an object whose methods must not overlap."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from fitsense.errors import FitsenseError

P = ParamSpec("P")
ResultT = TypeVar("ResultT")
OwnerT = TypeVar("OwnerT")


def one_thread() -> threading.RLock:
    """What an object with :func:`exclusive` methods keeps as ``_use``. Its methods may call each other."""
    return threading.RLock()


def exclusive(method: Callable[Concatenate[OwnerT, P], ResultT]) -> Callable[Concatenate[OwnerT, P], ResultT]:
    """Let one thread at a time into the exclusive methods of an object.

    A second one is refused with :class:`FitsenseError` rather than kept waiting: frames of two threads have no order,
    so that a program which pushes them is mistaken.
    """

    @functools.wraps(method)
    def guarded(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> ResultT:
        if not self._use.acquire(blocking=False):
            raise FitsenseError(
                f"{type(self).__name__}.{method.__name__}: expected one thread at a time, got a second one while "
                "another is in this session; use a session for each source, or a lock around it"
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            self._use.release()

    return guarded
