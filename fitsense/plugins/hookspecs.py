"""Hooks that plugins can implement.

Hooks return specs; pictures and tensors never pass through pluggy.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from fitsense.plugins.specs import (
    BackboneSpec,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    PluginEvent,
    PluginInfo,
    PoseEstimatorSpec,
    SinkSpec,
    WeightsRef,
)
from fitsense.plugins.tasks import TaskSpec

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
def fitsense_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Provide tasks: questions about a clip that heads answer."""


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
    """Provide schemas of the events that the plugin's observer adds."""


@hookspec(firstresult=True)
def fitsense_resolve_weights(ref: WeightsRef) -> Path | None:
    """Return the local file of `ref`, or None to leave it to other plugins. The host verifies the sha256."""


@hookspec
def fitsense_event_emitted(source: str, event: Event, state: dict[str, Any]) -> Iterable[PluginEvent] | None:
    """Observe an event, and optionally add others.

    Added events obey schemas of ``fitsense_event_schemas``. The session numbers them; they follow the event, at its
    time and about its subject, or precede ``session.ended``. An observer that fails, or adds an invalid event, adds
    none in this call and keeps its state; this is logged and counted, and the session emits one ``session.warning`` of
    the code ``plugin_failed`` if the plugin has event schemas. Observers also get the events that other plugins add,
    but may not reply to them.

    What an observer adds may depend only on its arguments, so that the same frames give the same events, also after
    :meth:`fitsense.Session.resume`.

    :param source: source of the session, as in the event.
    :param event: a copy of the event.
    :param state: JSON object of this plugin and session, empty at first. The observer may change it; snapshots of the
        session contain it.
    """
