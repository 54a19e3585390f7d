"""A backbone, a task, heads, a fusion and an event for fitsense.

fitsense calls only these hooks. They return specs; building a network imports torch.
"""

from collections.abc import Iterable
from importlib import metadata
from typing import Any

from fitsense import Event
from fitsense.plugins import (
    BackboneSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    PluginEvent,
    PluginInfo,
    TaskSpec,
    hookimpl,
)

from fitsense_template import backbone, form, fusion, head, milestones


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(
        name="template",
        version=metadata.version("fitsense-template"),
        # Version of the plugin API. A fitsense with another version reports the plugin as incompatible.
        api_version=1,
        summary="A MobileNet with temporal shift, a head with a hidden layer, a linear opinion pool",
    )


@hookimpl
def fitsense_backbones() -> Iterable[BackboneSpec]:
    yield BackboneSpec(
        name="shift",
        config=backbone.ShiftConfig,
        clip=backbone.ShiftConfig.clip,
        feature_dim=backbone.ShiftConfig.feature_dim,
        build=backbone.build,
        layers=backbone.layers,
        paper="arXiv 1811.08383",
        summary="MobileNetV2 with temporal shift, small",
    )


@hookimpl
def fitsense_tasks() -> Iterable[TaskSpec]:
    yield form.TASK


@hookimpl
def fitsense_heads() -> Iterable[HeadSpec]:
    yield HeadSpec(
        name="mlp",
        task="exercise",
        build=head.build,
        config=head.MlpConfig,
        summary="Classifier of exercises with one hidden layer",
    )
    yield HeadSpec(
        name="form",
        task="form_quality",
        build=head.build,
        config=head.MlpConfig,
        summary="The same for the form",
    )


@hookimpl
def fitsense_fusions() -> Iterable[FusionSpec]:
    yield FusionSpec(
        name="pool",
        fuse=fusion.fuse,
        fit=fusion.fit,
        config=fusion.PoolConfig,
        summary="Linear opinion pool with weights by expectation maximisation",
    )


@hookimpl
def fitsense_event_schemas() -> Iterable[EventSchema]:
    yield milestones.SCHEMA


@hookimpl
def fitsense_event_emitted(event: Event, state: dict[str, Any]) -> Iterable[PluginEvent]:
    return milestones.observe(event, state)
