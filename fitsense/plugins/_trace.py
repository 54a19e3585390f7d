"""Trace of the calls of hooks on stderr, if the environment variable ``FITSENSE_TRACE_PLUGINS`` is ``1``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from fitsense.events.model import Event

TRACE_VARIABLE = "FITSENSE_TRACE_PLUGINS"
"""Environment variable: ``1`` to trace the calls of hooks on stderr."""

_SHOWN_CHARACTERS = 80


def traced(plugin: str, hook: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls `function`, and writes a line about the call if the variable is set.

    :param plugin: name of the plugin, for the line.
    """

    def call(*arguments: Any) -> Any:
        if os.environ.get(TRACE_VARIABLE) != "1":
            return function(*arguments)
        line = f"plugin {plugin}: {hook}({', '.join(map(_shown, arguments))})"
        start_s = time.perf_counter()
        try:
            result = function(*arguments)
        except BaseException as error:
            _write(f"{line} raised {type(error).__name__}: {_short(str(error))}", start_s)
            raise
        if isinstance(result, Iterator):
            return _iterated(line, result, start_s)
        _write(f"{line} -> {_shown(result)}", start_s)
        return result

    return call


def _iterated(line: str, results: Iterator[Any], start_s: float) -> Iterator[Any]:
    """The results of a generator; the line is written when it is exhausted, closed, or raises."""
    shown = []
    try:
        for result in results:
            shown.append(_shown(result))
            yield result
    except Exception as error:
        _write(f"{line} -> [{', '.join(shown)}], then raised {type(error).__name__}: {_short(str(error))}", start_s)
        raise
    _write(f"{line} -> [{', '.join(shown)}]", start_s)


def _write(line: str, start_s: float) -> None:
    sys.stderr.write(f"{line} in {(time.perf_counter() - start_s) * 1000:.1f} ms\n")


def _shown(value: Any) -> str:
    if isinstance(value, Event):
        return f"{value.type} {value.sequence}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    for attribute in ("name", "type", "uri"):
        if isinstance(named := getattr(value, attribute, None), str):
            return f"{type(value).__name__} {named}"
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
