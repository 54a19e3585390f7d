"""Hook implementations of a plugin: finds them, and rejects those that would never run or fail when called."""

from __future__ import annotations

import difflib
import inspect
import types
from collections.abc import Callable
from typing import Any

import pluggy

from fitsense.plugins._trace import traced
from fitsense.plugins._validation import PluginRejectedError

# Hooks whose results are not iterated: the body of a generator would never run.
_NOT_ITERATED = ("fitsense_plugin", "fitsense_resolve_weights")


def implementations_of(
    plugin: object, manager: pluggy.PluginManager, hookspecs: types.ModuleType
) -> dict[str, Callable[..., Any]]:
    """Implementations of the plugin by hook. Rejects one for an unknown hook, suggesting the nearest name."""
    known = [name for name in vars(hookspecs) if name.startswith("fitsense_")]
    implementations: dict[str, Callable[..., Any]] = {}
    for name in dir(plugin):
        implementation = getattr(plugin, name)
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is None:
            if name in known and inspect.isroutine(implementation):
                raise PluginRejectedError("broken", f"{name} is not marked with fitsense.hookimpl")
            continue
        hook = options.get("specname") or name
        if hook not in known:
            if options.get("optionalhook"):
                continue
            nearest = difflib.get_close_matches(hook, known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else f"; available: {', '.join(known)}"
            raise PluginRejectedError("broken", f"unknown hook {hook}{hint}")
        if options.get("wrapper") or options.get("hookwrapper"):
            raise PluginRejectedError(
                "broken",
                f"hook {hook}: expected a plain implementation, got a wrapper, which fitsense does not run: it "
                "calls each plugin alone, so that one that fails stops no other; leave out wrapper=True",
            )
        if hook in implementations:
            raise PluginRejectedError("broken", f"hook {hook}: expected one implementation, got several")
        _check_callable(hook, getattr(hookspecs, hook), implementation)
        implementations[hook] = traced(module_name(plugin), hook, implementation)
    return implementations


def _check_callable(hook: str, specification: Callable[..., Any], implementation: Any) -> None:
    """Reject an implementation that would fail or not run when it is called."""
    expected = list(inspect.signature(specification).parameters)
    actual = inspect.signature(implementation).parameters
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not set(actual) <= set(expected) or any(p.kind not in positional for p in actual.values()):
        actual_names = ", ".join(str(p.replace(annotation=p.empty)) for p in actual.values())
        raise PluginRejectedError(
            "broken", f"hook {hook}: expected parameters among ({', '.join(expected)}), got ({actual_names})"
        )
    if inspect.iscoroutinefunction(implementation) or inspect.isasyncgenfunction(implementation):
        raise PluginRejectedError(
            "broken", f"hook {hook}: expected a plain function, got an async one, which never runs"
        )
    if hook in _NOT_ITERATED and inspect.isgeneratorfunction(implementation):
        raise PluginRejectedError(
            "broken", f"hook {hook}: expected a plain function, got a generator, which never runs"
        )


def module_name(plugin: object) -> str:
    """Name of a plugin that has not given one: of its module, or of its class."""
    return getattr(plugin, "__name__", None) or type(plugin).__name__
