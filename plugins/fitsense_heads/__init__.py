"""Heads for fitsense: linear ones by gradient descent or in closed form, and muscles by look-up."""

from collections.abc import Iterable

from fitsense.plugins import EXERCISE, MUSCLES, DerivedHeadSpec, HeadSpec, HeadTeaching, PluginInfo, TaskSpec, hookimpl
from fitsense_heads import discriminant, doubt, linear_teaching, network, network_muscles, ridge
from fitsense_heads.discriminant import DiscriminantConfig
from fitsense_heads.linear import LinearConfig, build
from fitsense_heads.lookup import LookupConfig, add_label, derive
from fitsense_heads.network import NetworkConfig
from fitsense_heads.network_muscles import NetworkMusclesConfig
from fitsense_heads.ridge import RidgeConfig


@hookimpl
def fitsense_plugin() -> PluginInfo:
    return PluginInfo(name="heads", version="1.0.0", summary="Linear heads, and muscles by look-up")


@hookimpl
def fitsense_tasks() -> Iterable[TaskSpec]:
    yield EXERCISE
    yield MUSCLES


@hookimpl
def fitsense_heads() -> Iterable[HeadSpec | DerivedHeadSpec]:
    yield HeadSpec(
        name="linear_exercise",
        task="exercise",
        build=build,
        teaching=HeadTeaching(
            statistics=linear_teaching.statistics,
            add_label=linear_teaching.add_label,
            shift=linear_teaching.shift,
            logits=linear_teaching.logits,
        ),
        config=LinearConfig,
        summary="Linear softmax classifier of exercises",
    )
    yield HeadSpec(
        name="linear_muscles",
        task="muscles",
        build=build,
        config=LinearConfig,
        summary="Linear sigmoid classifiers of muscle groups",
    )
    yield HeadSpec(
        name="discriminant",
        task="exercise",
        build=discriminant.build,
        fit=discriminant.fit,
        teaching=HeadTeaching(
            statistics=discriminant.statistics,
            add_label=discriminant.add_label,
            shift=discriminant.shift,
            logits=discriminant.logits,
        ),
        config=DiscriminantConfig,
        summary="Linear discriminant analysis of exercises, in closed form",
    )
    yield HeadSpec(
        name="network",
        task="exercise",
        build=network.build,
        fit=network.fit,
        teaching=HeadTeaching(
            statistics=network.statistics,
            add_label=network.add_label,
            shift=network.shift,
            logits=network.logits,
        ),
        config=NetworkConfig,
        summary="Discriminant analysis of a network's hidden layer, for beside that of the features",
    )
    yield HeadSpec(
        name="ridge",
        task="muscles",
        build=ridge.build,
        fit=ridge.fit,
        config=RidgeConfig,
        summary="Ridge regression of muscle groups, in closed form",
    )
    yield HeadSpec(
        name="network_muscles",
        task="muscles",
        build=network_muscles.build,
        fit=network_muscles.fit,
        config=NetworkMusclesConfig,
        summary="Sigmoid classifiers of muscle groups on a network's hidden layer",
    )
    yield DerivedHeadSpec(
        name="lookup_muscles",
        task="muscles",
        from_task="exercise",
        derive=derive,
        config=LookupConfig,
        add_label=add_label,
        summary="Muscles that the predicted exercises are known to work",
    )
    yield DerivedHeadSpec(
        name="doubt_muscles",
        task="muscles",
        from_task="exercise",
        derive=doubt.derive,
        config=doubt.DoubtConfig,
        summary="How likely it is that the exercise is unknown, for each muscle group",
    )
