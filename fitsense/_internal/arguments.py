"""Decorator for configuration classes: an error for a misspelt argument names the right one."""

from __future__ import annotations

import functools
import inspect
from typing import Any, TypeVar

from fitsense._internal.suggestions import suggestion

# Attribute of constructors that check.
_CHECKS = "__fitsense_checks_arguments__"

ClassT = TypeVar("ClassT", bound=type[Any])


def checks_arguments(cls: ClassT) -> ClassT:
    """Let the constructor of a class explain unknown keyword arguments; use it above ``@attrs.frozen``.

    It raises a :class:`TypeError`, as Python does, which names the class, the argument, and the most similar one that
    exists. Signature, types and pickling of the class stay as they are. A class that checks already,
    or whose constructor accepts any keyword, is left alone.
    """
    init = cls.__init__
    parameters = inspect.signature(init).parameters
    takes_any = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
    if takes_any or hasattr(init, _CHECKS):
        return cls
    names = tuple(parameters)[1:]

    @functools.wraps(init)
    def checking(self: Any, *arguments: Any, **named: Any) -> None:
        for name in named:
            if name not in names:
                raise TypeError(
                    f"{type(self).__name__}: expected arguments of {', '.join(names)}, got {name!r}"
                    f"{suggestion(name, names)}"
                )
        init(self, *arguments, **named)

    setattr(checking, _CHECKS, True)
    cls.__init__ = checking
    return cls
