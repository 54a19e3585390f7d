"""Validation of plugins and their contributions."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs

from fitsense._internal.arguments import checks_arguments
from fitsense.errors import FitsenseError, PluginError
from fitsense.plugins._discovery import described
from fitsense.plugins._report import Status
from fitsense.plugins._tasks import check_loss, check_task
from fitsense.plugins.specs import (
    BackboneSpec,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    ObservationSpec,
    PluginInfo,
    PoseEstimatorSpec,
    SinkSpec,
    WeightsRef,
)
from fitsense.plugins.tasks import RESERVED, TaskSpec
from fitsense.pose.landmarks import LandmarkSet
from fitsense.types import ClipSpec

_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9-]*")
_EVENT_TYPE = re.compile(r"[a-z0-9-]+(\.[a-z0-9_]+)+")
_SPEC_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class PluginRejectedError(Exception):
    """A plugin is rejected; carries the status for its report."""

    def __init__(self, status: Status, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.name = name


@attrs.define
class Contributions:
    """Specs of one or all plugins, by full name; event schemas by event type."""

    backbones: dict[str, BackboneSpec] = attrs.field(factory=dict)
    heads: dict[str, HeadSpec | DerivedHeadSpec] = attrs.field(factory=dict)
    fusions: dict[str, FusionSpec] = attrs.field(factory=dict)
    detectors: dict[str, DetectorSpec] = attrs.field(factory=dict)
    pose_estimators: dict[str, PoseEstimatorSpec] = attrs.field(factory=dict)
    sinks: dict[str, SinkSpec] = attrs.field(factory=dict)
    tasks: dict[str, TaskSpec] = attrs.field(factory=dict)
    event_schemas: dict[str, EventSchema] = attrs.field(factory=dict)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """Names by kind, without empty kinds."""
        names = {kind.name: tuple(getattr(self, kind.name)) for kind in attrs.fields(Contributions)}
        return {kind: each for kind, each in names.items() if each}


def info_of(implementations: Mapping[str, Callable[..., Any]]) -> PluginInfo:
    """Call and validate a plugin's ``fitsense_plugin``."""
    if "fitsense_plugin" not in implementations:
        raise PluginRejectedError("broken", "expected a hook fitsense_plugin, marked with fitsense.hookimpl, got none")
    info = implementations["fitsense_plugin"]()
    if not isinstance(info, PluginInfo):
        raise PluginRejectedError("broken", f"fitsense_plugin: expected a PluginInfo, got {type(info).__name__}")
    if info.name == "fitsense":
        raise PluginRejectedError("broken", "plugin name 'fitsense': expected another one, since it is reserved")
    if not _PLUGIN_NAME.fullmatch(info.name):
        raise PluginRejectedError(
            "broken", f"plugin name {info.name!r}: expected lower-case letters, digits and hyphens"
        )
    return info


def collect(
    implementations: Mapping[str, Callable[..., Any]], info: PluginInfo, taken: Collection[str] = ()
) -> tuple[Contributions, tuple[str, ...]]:
    """Call a plugin's hooks for its specs, and validate each.

    :param taken: names of the tasks of other plugins.
    :returns: the valid ones, and a sentence for each fault. A hook that raises keeps what it yielded before.
    """
    collector = _Collector(implementations, info)
    contributions = Contributions(
        backbones=collector.specs("fitsense_backbones", (BackboneSpec,), _check_backbone),
        heads=collector.specs("fitsense_heads", (HeadSpec, DerivedHeadSpec), _check_head),
        fusions=collector.specs("fitsense_fusions", (FusionSpec,), _check_config),
        detectors=collector.specs("fitsense_detectors", (DetectorSpec,), _check_detector),
        pose_estimators=collector.specs("fitsense_pose_estimators", (PoseEstimatorSpec,), _check_pose_estimator),
        sinks=collector.specs("fitsense_sinks", (SinkSpec,), _check_sink),
        tasks=collector.tasks(taken),
        event_schemas=collector.event_schemas(),
    )
    return contributions, tuple(collector.faults)


class _Collector:
    """Calls the hooks of one plugin, and notes the faults of what they return."""

    def __init__(self, implementations: Mapping[str, Callable[..., Any]], info: PluginInfo) -> None:
        self._implementations = implementations
        self._info = info
        self.faults: list[str] = []

    def specs(self, hook: str, kinds: tuple[type, ...], check: Callable[[Any], object]) -> dict[str, Any]:
        """The valid specs of a hook by full name."""
        specs: dict[str, Any] = {}
        for spec in self._results(hook):
            if type(spec) not in kinds:
                expected = " or ".join(kind.__name__ for kind in kinds)
                self.faults.append(f"{hook}: expected {expected}, got {type(spec).__name__}")
                continue
            full = f"{self._info.name}/{spec.name}"
            if not _is_name(spec.name):
                self.faults.append(f"{hook}: name {spec.name!r}: expected lower-case letters, digits, - and _")
            elif full in specs:
                self.faults.append(f"{hook}: {full}: expected a unique name, got it twice; the first one is used")
            elif self._passes(full, check, spec):
                specs[full] = spec
        return specs

    def tasks(self, taken: Collection[str]) -> dict[str, TaskSpec]:
        """The valid tasks by name."""
        tasks: dict[str, TaskSpec] = {}
        for task in self._results("fitsense_tasks"):
            if not isinstance(task, TaskSpec):
                self.faults.append(f"fitsense_tasks: expected a TaskSpec, got {type(task).__name__}")
            elif task.name in tasks or (task.name in taken and task.name not in RESERVED):
                self.faults.append(f"task {task.name}: expected a name that no other task has; choose another")
            elif self._passes(f"task {task.name}", check_task, task, self._info.name):
                tasks[task.name] = task
        return tasks

    def event_schemas(self) -> dict[str, EventSchema]:
        """The valid event schemas by event type."""
        schemas: dict[str, EventSchema] = {}
        for schema in self._results("fitsense_event_schemas"):
            if not isinstance(schema, EventSchema):
                self.faults.append(f"fitsense_event_schemas: expected an EventSchema, got {type(schema).__name__}")
            elif schema.type in schemas:
                self.faults.append(f"event schema of {schema.type}: expected one, got two; the first one is used")
            elif self._passes(f"event schema of {schema.type}", _check_event_schema, schema, self._info):
                schemas[schema.type] = schema
        return schemas

    def _results(self, hook: str) -> Iterator[Any]:
        if hook not in self._implementations:
            return
        try:
            yield from self._implementations[hook]()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A plugin may raise anything, even SystemExit.
            self.faults.append(f"{hook}: {described(error)}")

    def _passes(self, what: str, check: Callable[..., object], *arguments: Any) -> bool:
        try:
            check(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = str(error) if isinstance(error, FitsenseError) else described(error)
            self.faults.append(f"{what}: {reason}")
            return False
        return True


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and _SPEC_NAME.fullmatch(name) is not None


def _check_config(spec: Any) -> Any:
    """The spec's configuration with its default values."""
    if not attrs.has(spec.config):
        raise PluginError(f"config: expected an attrs class, got {spec.config!r}")
    without = [field.name for field in attrs.fields(spec.config) if field.default is attrs.NOTHING]
    if without:
        raise PluginError(f"config: every field needs a default; {', '.join(without)} has none")
    config = spec.config()
    # A misspelt option gets the same explanation as one of fitsense's own configuration classes.
    checks_arguments(spec.config)
    return config


def _check_backbone(spec: BackboneSpec) -> None:
    config = _check_config(spec)
    clip = spec.clip(config)
    if not isinstance(clip, ClipSpec):
        raise PluginError(f"clip: expected a ClipSpec, got {type(clip).__name__}")
    dim = spec.feature_dim(config)
    if not isinstance(dim, int) or dim < 1:
        raise PluginError(f"feature_dim: expected an integer above 0, got {dim!r}")
    if spec.observation is not None:
        _check_observation(spec.observation)
    if spec.build is None:
        _check_observed(spec, config, dim)
    if spec.streaming is not None:
        _check_streaming(spec, config)
    if spec.landmarks is not None and (spec.build is None or spec.observation is not None):
        raise PluginError("landmarks: expected a network on pictures, got a backbone on observations")
    _check_files("weights", spec.weights)


def _check_observation(spec: ObservationSpec) -> None:
    if (spec.load is None) == (spec.from_poses is None):
        given = "neither" if spec.load is None else "both"
        raise PluginError(f"observation: expected either load or from_poses, got {given}")
    if (spec.from_poses is None) != (not spec.pose_estimator):
        given = f"got {spec.pose_estimator!r}" if spec.pose_estimator else "got none"
        wanted = "a pose estimator's full name with" if spec.from_poses else "no pose estimator without"
        raise PluginError(f"observation: pose_estimator: expected {wanted} from_poses, {given}")


def _check_observed(spec: BackboneSpec, config: Any, dim: int) -> None:
    """Check a backbone without a network: the observation is the features, and no field describes a network."""
    if spec.observation is None:
        raise PluginError("build: expected a function that builds a torch module, or an observation, got neither")
    if (shape := tuple(spec.observation.shape(config))) != (dim,):
        raise PluginError(
            f"observation: expected the features' shape, {(dim,)}, since there is no network, got {shape}"
        )
    given = [name for name in ("layers", "pretrained", "weights") if getattr(spec, name)]
    if given:
        raise PluginError(f"{', '.join(given)}: expected nothing without a network")


def _check_streaming(spec: BackboneSpec, config: Any) -> None:
    """Check that a streaming backbone is a network on pictures that yields features after a clip's last frame."""
    assert spec.streaming is not None
    if spec.build is None or spec.observation is not None:
        raise PluginError("streaming: expected a network on pictures, got a backbone on observations")
    minimum = {"receptive_field": 1, "delay": 0, "stride": 1}
    counts = {name: getattr(spec.streaming, name)(config) for name in minimum}
    for name, count in counts.items():
        if not isinstance(count, int) or count < minimum[name]:
            raise PluginError(f"streaming: {name}: expected an integer of at least {minimum[name]}, got {count!r}")
    frames = spec.clip(config).frames
    if frames <= counts["delay"] or (frames - 1 - counts["delay"]) % counts["stride"]:
        raise PluginError(
            f"streaming: expected features after the last of a clip's {frames} frames, got a delay of "
            f"{counts['delay']} and a stride of {counts['stride']}"
        )


def _check_pose_estimator(spec: PoseEstimatorSpec) -> None:
    if not isinstance(spec.landmark_set, LandmarkSet):
        raise PluginError(f"landmark_set: expected a LandmarkSet, got {type(spec.landmark_set).__name__}")
    _check_detector(spec)


def _check_detector(spec: DetectorSpec | PoseEstimatorSpec) -> None:
    _check_config(spec)
    _check_files("assets", spec.assets)
    if spec.assets and not spec.assets_name:
        raise PluginError("assets_name: expected a name of the assets for `fitsense models pull`, got nothing")


def _check_sink(spec: SinkSpec) -> None:
    batch = spec.batch(_check_config(spec))
    if not isinstance(batch, int) or batch < 1:
        raise PluginError(f"batch: expected an integer above 0, got {batch!r}")


def _check_files(what: str, refs: Mapping[str, WeightsRef]) -> None:
    for name, ref in refs.items():
        if ref.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", ref.sha256):
            raise PluginError(f"{what} {name}: expected a sha256 of 64 hexadecimal digits, got {ref.sha256!r}")


def _check_head(spec: HeadSpec | DerivedHeadSpec) -> None:
    _check_config(spec)
    for name in ("task", "from_task") if isinstance(spec, DerivedHeadSpec) else ("task",):
        if not isinstance(getattr(spec, name), str):
            raise PluginError(f"{name}: expected the name of a task, got {getattr(spec, name)!r}")
    if isinstance(spec, HeadSpec) and spec.loss is not None:
        check_loss(spec.loss, None)


def _check_event_schema(schema: EventSchema, info: PluginInfo) -> None:
    from fitsense.events.schema import check_schema

    if not schema.type.startswith(f"{info.name}.") or not _EVENT_TYPE.fullmatch(schema.type):
        raise PluginError(
            f"expected a type that starts with {info.name}. and goes on in lower-case letters, digits, _ and ."
        )
    namespace = f"urn:fitsense:plugin:{info.name}:"
    if not str(schema.schema.get("$id", "")).startswith(namespace):
        raise PluginError(f"expected an $id that starts with {namespace}")
    check_schema(schema.schema)
