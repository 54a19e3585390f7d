"""Contributions of plugins: what is refused and why, and what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest

import fitsense
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import (
    BackboneSpec,
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
from fitsense.plugins.tasks import TaskSpec
from tests.helpers.plugin_modules import Config, broken, nothing, observing, plugin, raising, spec, streaming


@attrs.frozen
class NoDefault:
    frames: int


def leaving() -> Iterable[BackboneSpec]:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("hooks", "reason"),
    [
        ({"fitsense_plugin": lambda: "mine"}, "expected a PluginInfo, got str"),
        ({"fitsense_plugin": lambda: PluginInfo("My Plugin", "1")}, "lower-case letters, digits and hyphens"),
        ({"fitsense_backbones": raising}, "RuntimeError: no GPU"),
        ({"fitsense_backbones": leaving}, "SystemExit: 3"),
        ({"fitsense_backbones": lambda: [spec("Net")]}, "name 'Net': expected lower-case"),
        ({"fitsense_backbones": lambda: [spec(), spec()]}, "mine/net: expected a unique name"),
        ({"fitsense_backbones": lambda: [spec(config=NoDefault)]}, "every field needs a default; frames has none"),
        ({"fitsense_backbones": lambda: [spec(config=dict)]}, "expected an attrs class"),
        ({"fitsense_backbones": lambda: [spec(clip=lambda c: (4, 8))]}, "clip: expected a ClipSpec, got tuple"),
        ({"fitsense_backbones": lambda: [spec(feature_dim=lambda c: 0)]}, "feature_dim: expected an integer"),
        ({"fitsense_backbones": lambda: [spec(weights={"w": WeightsRef("x", "abc")})]}, "expected a sha256"),
        ({"fitsense_backbones": lambda: [streaming(stride=0)]}, "stride: expected an integer of at least 1, got 0"),
        ({"fitsense_backbones": lambda: [streaming(delay=-1)]}, "delay: expected an integer of at least 0, got -1"),
        (
            {"fitsense_backbones": lambda: [streaming(delay=1, stride=2), streaming(delay=4)]},
            "expected features after the last of a clip's 4 frames, got a delay of 4 and a stride of 1",
        ),
        (
            {"fitsense_backbones": lambda: [attrs.evolve(streaming(), observation=observing(3))]},
            "streaming: expected a network on pictures",
        ),
        ({"fitsense_backbones": lambda: [spec(build=None)]}, "or an observation, got neither"),
        (
            {"fitsense_backbones": lambda: [spec(observation=ObservationSpec(nothing))]},
            "observation: expected either load or from_poses, got neither",
        ),
        (
            {"fitsense_backbones": lambda: [spec(observation=ObservationSpec(nothing, nothing, nothing, "mine/pose"))]},
            "observation: expected either load or from_poses, got both",
        ),
        (
            {"fitsense_backbones": lambda: [spec(observation=ObservationSpec(nothing, from_poses=nothing))]},
            "pose_estimator: expected a pose estimator's full name with from_poses, got none",
        ),
        (
            {"fitsense_backbones": lambda: [spec(observation=ObservationSpec(nothing, nothing, None, "mine/pose"))]},
            "pose_estimator: expected no pose estimator without from_poses, got 'mine/pose'",
        ),
        (
            {"fitsense_backbones": lambda: [spec(build=None, observation=observing(4, 3))]},
            "observation: expected the features' shape, (3,), since there is no network, got (4, 3)",
        ),
        (
            {
                "fitsense_backbones": lambda: [
                    spec(build=None, observation=observing(3), layers=nothing, weights={"w": WeightsRef("x")})
                ]
            },
            "layers, weights: expected nothing without a network",
        ),
        (
            {"fitsense_heads": lambda: [HeadSpec("h", "exercise", nothing, Config, loss="hinge")]},  # type: ignore[arg-type]
            "loss: expected one of cross_entropy, binary_cross_entropy, squared_error, absolute_error or a function",
        ),
        ({"fitsense_tasks": lambda: [spec()]}, "fitsense_tasks: expected a TaskSpec, got BackboneSpec"),
        ({"fitsense_tasks": lambda: [TaskSpec("Form", "one_of_many")]}, "name 'Form': expected lower-case letters"),
        ({"fitsense_tasks": lambda: [TaskSpec("features", "regression")]}, "name 'features': expected"),
        ({"fitsense_tasks": lambda: [TaskSpec("form", "best_of")]}, "kind: expected one of one_of_many, many_of_many"),  # type: ignore[arg-type]
        ({"fitsense_tasks": lambda: [TaskSpec("exercise", "regression")]}, "task exercise: expected another name"),
        ({"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", labels=["Good"])]}, "labels: expected lower-case"),
        ({"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", labels=["good"] * 2)]}, "expected each once"),
        ({"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", unit="kg")]}, "unit: expected none"),
        ({"fitsense_tasks": lambda: [TaskSpec("form", "regression", loss="cross_entropy")]}, "loss: expected one of"),
        (
            {"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", activation="sigmoid")]},
            "loss: expected a function with the activation sigmoid, since cross_entropy is for softmax",
        ),
        (
            {"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", activation="relu")]},  # type: ignore[arg-type]
            "activation: expected one of",
        ),
        (
            {"fitsense_tasks": lambda: [TaskSpec("form", "one_of_many", schema={"$id": "urn:x"})]},
            "schema: expected an $id that starts with urn:fitsense:plugin:mine:",
        ),
        (
            {"fitsense_heads": lambda: [HeadSpec("h", "form", nothing, Config)]},
            "mine/h: task: expected one of exercise",
        ),
        ({"fitsense_fusions": lambda: [FusionSpec("f", nothing, NoDefault)]}, "frames has none"),
        ({"fitsense_pose_estimators": lambda: [spec()]}, "expected PoseEstimatorSpec, got BackboneSpec"),
        (
            {"fitsense_pose_estimators": lambda: [PoseEstimatorSpec("p", Config, nothing, nothing)]},  # type: ignore[arg-type]
            "expected a LandmarkSet, got ",
        ),
        ({"fitsense_detectors": lambda: [spec()]}, "expected DetectorSpec, got BackboneSpec"),
        ({"fitsense_detectors": lambda: [DetectorSpec("d", NoDefault, nothing)]}, "frames has none"),
        ({"fitsense_sinks": lambda: [spec()]}, "expected SinkSpec, got BackboneSpec"),
        ({"fitsense_sinks": lambda: [SinkSpec("s", NoDefault, nothing)]}, "frames has none"),
        ({"fitsense_sinks": lambda: [SinkSpec("s", Config, nothing, lambda config: 0)]}, "batch: expected an integer"),
        (
            {"fitsense_detectors": lambda: [DetectorSpec("d", Config, nothing, {"w": WeightsRef("x", "abc")}, "d")]},
            "assets w: expected a sha256",
        ),
        ({"fitsense_detectors": lambda: [DetectorSpec("d", Config, nothing, {"w": WeightsRef("x")})]}, "assets_name"),
        (
            {"fitsense_event_schemas": lambda: [EventSchema("other.event", {})]},
            "expected a type that starts with mine.",
        ),
        (
            {"fitsense_event_schemas": lambda: [EventSchema("mine.event", {"$id": "urn:fitsense:v1:x"})]},
            "expected an $id that starts with urn:fitsense:plugin:mine:",
        ),
        (
            {
                "fitsense_event_schemas": lambda: [
                    EventSchema("mine.event", {"$id": "urn:fitsense:plugin:mine:e", "type": 5})
                ]
            },
            "not a valid JSON Schema",
        ),
    ],
)
def test_register_invalid_contribution_is_refused(hooks: dict[str, Callable[..., Any]], reason: str) -> None:
    assert reason in broken(**hooks)


def test_register_broken_plugin_adds_nothing() -> None:
    host = PluginManager()
    host.register(plugin("good", fitsense_backbones=lambda: [spec()]))
    host.register(plugin("bad", fitsense_backbones=lambda: [spec("A"), spec("B")]))
    host.register(plugin("late", fitsense_backbones=lambda: [spec("z")]))
    assert set(host.backbones()) == {"good/net", "late/z"}
    assert [report.status for report in host.reports] == ["loaded", "broken", "loaded"]


def test_register_with_one_broken_contribution_keeps_the_others() -> None:
    def backbones() -> Iterable[Any]:
        yield spec("a")
        yield spec("B")
        yield 7
        yield spec("c", clip=lambda config: 1 / 0)
        yield spec("d")
        raise RuntimeError("no more")

    host = PluginManager()
    report = host.register(
        plugin(
            "mine",
            fitsense_backbones=backbones,
            fitsense_heads=raising,
            fitsense_fusions=lambda: [FusionSpec("f", nothing, Config)],
        )
    )
    assert report.status == "loaded"
    assert set(host.backbones()) == {"mine/a", "mine/d"}
    assert report.provides == {"backbones": ("mine/a", "mine/d"), "fusions": ("mine/f",)}
    assert report.faults == (
        "fitsense_backbones: name 'B': expected lower-case letters, digits, - and _",
        "fitsense_backbones: expected BackboneSpec, got int",
        "mine/c: ZeroDivisionError: division by zero",
        "fitsense_backbones: RuntimeError: no more",
        "fitsense_heads: RuntimeError: no GPU",
    )
    with pytest.raises(fitsense.UnknownNameError, match=r"refused: .*mine/c: ZeroDivisionError"):
        host.backbone("c")


def test_register_with_only_broken_contributions_keeps_an_observer() -> None:
    seen: list[Any] = []
    host = PluginManager()
    report = host.register(
        plugin("mine", fitsense_heads=raising, fitsense_event_emitted=lambda event: seen.append(event))
    )
    assert (report.status, report.faults) == ("loaded", ("fitsense_heads: RuntimeError: no GPU",))


def test_register_heads_of_a_task_that_another_plugin_declares_later() -> None:
    host = PluginManager()
    early = plugin("early", fitsense_heads=lambda: [HeadSpec("h", "form", nothing, Config)])
    assert "task: expected one of exercise, muscles, or another" in host.register(early).faults[0]
    assert (host.heads(), host.reports[0].provides) == ({}, {})
    with pytest.raises(fitsense.UnknownNameError, match="unknown task 'form'; available: exercise, muscles; refused"):
        host.task("form")
    task = TaskSpec("form", "one_of_many", labels=("good", "bad"))
    assert host.register(plugin("late", fitsense_tasks=lambda: [task])).faults == ()
    assert set(host.heads()) == {"early/h"}
    assert (host.reports[0].faults, host.reports[0].provides) == ((), {"heads": ("early/h",)})
    assert host.task("form") is task
    again = host.register(plugin("again", fitsense_tasks=lambda: [task, TaskSpec("effort", "regression")]))
    assert again.faults == ("task form: expected a name that no other task has; choose another",)
    assert set(host.tasks()) == {"exercise", "muscles", "form", "effort"}
