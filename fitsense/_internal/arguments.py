"""Decorator for configuration classes: an error for a misspelt argument names the right one."""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar

from fitsense._internal.suggestions import suggestion

ClassT = TypeVar("ClassT", bound=type[Any])


def checks_arguments(cls: ClassT) -> ClassT:
    """Let the constructor of a class explain unknown keyword arguments; use it above ``@attrs.frozen``.

    It raises a :class:`TypeError`, as Python does, which names the class, the argument, and the most similar one that
    exists. Signature, types and pickling of the class stay as they are.
    """
    init = vars(cls)["__init__"]
    names = tuple(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def checking(self: Any, *arguments: Any, **named: Any) -> None:
        for name in named:
            if name not in names:
                raise TypeError(
                    f"{type(self).__name__}: expected arguments of {', '.join(names)}, got {name!r}"
                    f"{suggestion(name, names)}"
                )
        init(self, *arguments, **named)

    cls.__init__ = checking
    return cls
