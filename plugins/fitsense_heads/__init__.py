"""Heads for fitsense: linear ones for both tasks, and the look-up baseline for muscles."""

from collections.abc import Iterable

from fitsense.plugins import DerivedHeadSpec, HeadSpec, PluginInfo, hookimpl
from fitsense_heads.linear import LinearConfig, build
from fitsense_heads.lookup import LookupConfig, derive


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="heads", version="1.0.0", summary="Linear heads, and muscles by look-up")


@hookimpl
def fitsense_heads() -> Iterable[HeadSpec | DerivedHeadSpec]:
    yield HeadSpec(
        name="linear_exercise",
        task="exercise",
        activation="softmax",
        loss="cross_entropy",
        build=build,
        config=LinearConfig,
        summary="Linear softmax classifier of exercises",
    )
    yield HeadSpec(
        name="linear_muscles",
        task="muscles",
        activation="sigmoid",
        loss="binary_cross_entropy",
        build=build,
        config=LinearConfig,
        summary="Linear sigmoid classifiers of muscle groups",
    )
    yield DerivedHeadSpec(
        name="lookup_muscles",
        task="muscles",
        from_task="exercise",
        derive=derive,
        config=LookupConfig,
        summary="Muscles that the predicted exercises are known to work",
    )
