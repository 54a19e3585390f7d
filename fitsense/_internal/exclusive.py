"""Decorator for methods that must not overlap: refuses a second thread."""

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
    """Lock that an object with :func:`exclusive` methods stores as ``_use``. Its methods may call each other."""
    return threading.RLock()


def exclusive(method: Callable[Concatenate[OwnerT, P], ResultT]) -> Callable[Concatenate[OwnerT, P], ResultT]:
    """Allow one thread at a time in the exclusive methods of an object.

    A second thread gets a :class:`FitsenseError` instead of waiting: frames of two threads have no defined order, so
    that pushing them is a mistake of the program.
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
