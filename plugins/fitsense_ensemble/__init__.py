"""Fusions for fitsense: the weighted ensemble of arXiv 2406.06703, and one gated by doubt."""

from collections.abc import Iterable

from fitsense.plugins import FusionSpec, PluginInfo, hookimpl
from fitsense_ensemble import gated
from fitsense_ensemble.weighted import WeightedConfig, cascade, fit, fuse


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="ensemble", version="1.0.0", summary="Weighted average of branches")


@hookimpl
def fitsense_fusions() -> Iterable[FusionSpec]:
    yield FusionSpec(
        name="weighted",
        fuse=fuse,
        fit=fit,
        config=WeightedConfig,
        cascade=cascade,
        summary="Weighted average of logits or probabilities",
    )
    yield FusionSpec(
        name="gated",
        fuse=gated.fuse,
        fit=gated.fit,
        config=gated.GatedConfig,
        cascade=gated.cascade,
        summary="Looked-up scores, and learned ones as far as the exercise is unknown",
        min_branches=2,
    )
