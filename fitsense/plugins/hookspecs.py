"""Every hook that a plugin can implement.

Hooks only register: they return specs. Pictures and tensors never pass through pluggy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

from fitsense.plugins.specs import (
    BackboneSpec,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    PluginInfo,
    PoseEstimatorSpec,
    SinkSpec,
    WeightsRef,
)

if TYPE_CHECKING:
    from fitsense.events.model import Event


hookspec = pluggy.HookspecMarker("fitsense")
hookimpl = pluggy.HookimplMarker("fitsense")


@hookspec
def fitsense_plugin() -> PluginInfo:  # type: ignore[empty-body]
    """Say who the plugin is. Required, once."""


@hookspec
def fitsense_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Offer backbones: clip in, features out."""


@hookspec
def fitsense_heads() -> Iterable[HeadSpec | DerivedHeadSpec]:  # type: ignore[empty-body]
    """Offer heads: features, or another task's scores, in; scores out."""


@hookspec
def fitsense_fusions() -> Iterable[FusionSpec]:  # type: ignore[empty-body]
    """Offer fusions: several branches' scores in, one out."""


@hookspec
def fitsense_detectors() -> Iterable[DetectorSpec]:  # type: ignore[empty-body]
    """Offer detectors: a picture in, the people in it out."""


@hookspec
def fitsense_pose_estimators() -> Iterable[PoseEstimatorSpec]:  # type: ignore[empty-body]
    """Offer pose estimators: a picture and regions in, the landmarks of a body in each out."""


@hookspec
def fitsense_sinks() -> Iterable[SinkSpec]:  # type: ignore[empty-body]
    """Offer sinks: events in, and on to a receiver elsewhere."""


@hookspec
def fitsense_event_schemas() -> Iterable[EventSchema]:  # type: ignore[empty-body]
    """Offer schemas of events of the plugin's own."""


@hookspec(firstresult=True)
def fitsense_resolve_weights(ref: WeightsRef) -> Path | None:
    """Give the local file that `ref` means, or None to leave it to others. The host verifies the sha256."""


@hookspec
def fitsense_event_emitted(source: str, event: Event) -> None:
    """Observe an event.

    :param source: the session's source, as in the event.
    :param event: the event. What the observer raises is logged and counted, never passed on.
    """
