"""Hooks that plugins can implement.

Hooks return specs; pictures and tensors never pass through pluggy.
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
    """Identify the plugin. Required."""


@hookspec
def fitsense_backbones() -> Iterable[BackboneSpec]:  # type: ignore[empty-body]
    """Provide backbones, which turn clips into features."""


@hookspec
def fitsense_heads() -> Iterable[HeadSpec | DerivedHeadSpec]:  # type: ignore[empty-body]
    """Provide heads, which turn features, or the scores of another task, into scores."""


@hookspec
def fitsense_fusions() -> Iterable[FusionSpec]:  # type: ignore[empty-body]
    """Provide fusions, which combine the scores of several branches."""


@hookspec
def fitsense_detectors() -> Iterable[DetectorSpec]:  # type: ignore[empty-body]
    """Provide detectors, which find the people in a picture."""


@hookspec
def fitsense_pose_estimators() -> Iterable[PoseEstimatorSpec]:  # type: ignore[empty-body]
    """Offer pose estimators: a picture and regions in, the landmarks of a body in each out."""


@hookspec
def fitsense_sinks() -> Iterable[SinkSpec]:  # type: ignore[empty-body]
    """Provide sinks, which deliver events to a receiver."""


@hookspec
def fitsense_event_schemas() -> Iterable[EventSchema]:  # type: ignore[empty-body]
    """Provide schemas of the plugin's events."""


@hookspec(firstresult=True)
def fitsense_resolve_weights(ref: WeightsRef) -> Path | None:
    """Return the local file of `ref`, or None to leave it to other plugins. The host verifies the sha256."""


@hookspec
def fitsense_event_emitted(source: str, event: Event) -> None:
    """Observe an event.

    Errors are logged and counted, and do not reach the session.

    :param source: source of the session, as in the event.
    :param event: a copy of the event.
    """
