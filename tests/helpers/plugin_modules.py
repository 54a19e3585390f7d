"""Plugins made of a module and functions, and contributions with which they are filled."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from typing import Any

import attrs

from fitsense.plugins._manager import PluginManager
from fitsense.plugins.hookspecs import hookimpl
from fitsense.plugins.specs import (
    API_VERSION,
    BackboneSpec,
    ObservationSpec,
    PluginInfo,
    StreamingSpec,
)
from fitsense.types import ClipSpec


@attrs.frozen
class Config:
    frames: int = 4


def spec(name: str = "net", **changes: Any) -> BackboneSpec:
    values: dict[str, Any] = {
        "name": name,
        "config": Config,
        "clip": lambda config: ClipSpec(config.frames, 2.0, 8, 8),
        "feature_dim": lambda config: 3,
        "build": lambda config: None,
    }
    return BackboneSpec(**{**values, **changes})


def observing(*shape: int) -> ObservationSpec:
    return ObservationSpec(shape=lambda config: shape, load=nothing)


def streaming(delay: int = 0, stride: int = 1) -> BackboneSpec:
    steps = StreamingSpec(nothing, nothing, lambda config: 9, lambda config: delay, lambda config: stride)
    return spec(f"net{delay}", streaming=steps)


def plugin(name: str = "mine", api_version: int = API_VERSION, /, **hooks: Callable[..., Any]) -> types.ModuleType:
    """A module with a `fitsense_plugin` hook and others."""
    module = types.ModuleType(f"module_{name}")
    hooks = {"fitsense_plugin": lambda: PluginInfo(name, "1.0", api_version), **hooks}
    for hook, function in hooks.items():
        function.__name__ = hook
        setattr(module, hook, hookimpl(function))
    return module


def broken(**hooks: Callable[..., Any]) -> str:
    """Reason for which a plugin with these hooks, or a contribution of it, is refused."""
    report = PluginManager().register(plugin("mine", **hooks))
    assert report.faults or report.status == "broken", report
    return report.reason or "; ".join(report.faults)


def nothing(*arguments: Any) -> Any:
    return None


def raising() -> Iterable[BackboneSpec]:
    raise RuntimeError("no GPU")
