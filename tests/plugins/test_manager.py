"""The plugin host: what it takes, what it refuses and why, and that nothing takes it down."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

import fitsense
from fitsense.events.model import Event, ExerciseStarted
from fitsense.plugins import hookspecs
from fitsense.plugins._deprecation import Deprecation, deprecated_field, deprecated_hook
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.hookspecs import hookimpl, hookspec
from fitsense.plugins.specs import (
    API_VERSION,
    BackboneSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    ObservationSpec,
    PluginInfo,
    PoseEstimatorSpec,
    SinkSpec,
    StreamingSpec,
    WeightsRef,
)
from fitsense.plugins.tasks import TaskSpec
from fitsense.testing import runner
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


def test_discover_built_in_plugins_load() -> None:
    host = PluginManager.discover()
    loaded = {report.name for report in host.reports if report.status == "loaded"}
    assert {"x3d", "slowfast", "ensemble", "heads"} <= loaded
    assert {"x3d/xs", "x3d/s", "x3d/m", "x3d/l", "slowfast/r50", "slowfast/r101", "slowfast/small"} <= set(
        host.backbones()
    )
    assert {"heads/linear_exercise", "heads/linear_muscles", "heads/lookup_muscles"} <= set(host.heads())
    assert "ensemble/weighted" in host.fusions()
    assert host.detector("people") is host.detectors()["pose/people"]
    assert set(host.sinks()) == {"sinks/webhook", "sinks/mqtt"}


def test_backbone_unique_short_name_is_found() -> None:
    host = PluginManager()
    host.register(plugin("one", fitsense_backbones=lambda: [spec("net"), spec("other")]))
    assert host.backbone("net") is host.backbone("one/net")
    host.register(plugin("two", fitsense_backbones=lambda: [spec("net")]))
    with pytest.raises(fitsense.AmbiguousNameError, match="one/net, two/net"):
        host.backbone("net")
    assert host.full_name("backbone", "other") == "one/other"
    with pytest.raises(fitsense.UnknownNameError, match="available: one/net, one/other, two/net"):
        host.backbone("nope")


def test_backbone_unknown_name_lists_failed_plugins() -> None:
    host = PluginManager()
    host.register(plugin("mine", fitsense_backbones=lambda: [1]))
    with pytest.raises(
        fitsense.UnknownNameError, match=r"failed plugins: mine \(broken: .*expected BackboneSpec, got int"
    ):
        host.backbone("net")


def test_register_second_plugin_of_name_is_duplicate() -> None:
    host = PluginManager()
    assert host.register(plugin("mine"), origin="first 1.0").status == "loaded"
    report = host.register(plugin("mine"))
    assert (report.status, report.reason) == ("duplicate", "a plugin of this name was already loaded from first 1.0")


@pytest.mark.parametrize(
    ("version", "advice"), [(API_VERSION + 1, "update fitsense"), (API_VERSION - 1, "update the plugin")]
)
def test_register_other_api_version_is_incompatible(version: int, advice: str) -> None:
    report = PluginManager().register(plugin("mine", version))
    assert report.status == "incompatible"
    assert report.reason.endswith(advice)


def test_register_blocked_plugin_is_disabled() -> None:
    host = PluginManager(block=["mine"])
    assert host.register(plugin("mine", fitsense_backbones=lambda: [spec()])).status == "disabled"
    assert host.backbones() == {}
    reports = PluginManager.discover(block=["x3d"]).reports
    assert [report.status for report in reports if report.name == "x3d"] == ["disabled"]


def test_register_not_allowed_plugin_is_disabled() -> None:
    host = PluginManager(allow=["mine"])
    assert host.register(plugin("mine")).status == "loaded"
    report = host.register(plugin("other", fitsense_backbones=lambda: [spec()]))
    assert (report.status, report.reason) == ("disabled", "not among those that the program allows")
    assert host.backbones() == {}
    assert PluginManager(block=["mine"], allow=["mine"]).register(plugin("mine")).reason == "blocked by the program"
    assert PluginManager(allow=[]).register(plugin("mine")).status == "disabled"


def test_discover_loads_only_allowed_plugins() -> None:
    host = PluginManager.discover(allow=["heads", "ensemble"])
    assert {report.name for report in host.reports if report.status == "loaded"} == {"heads", "ensemble"}
    assert {report.status for report in host.reports} == {"loaded", "disabled"}
    assert host.backbones() == {}
    with pytest.raises(fitsense.UnknownNameError, match=r"x3d \(disabled: not among those that the program allows\)"):
        host.backbone("x3d/s")
    with pytest.raises(fitsense.UnknownNameError, match=r"named 'heds' or 'x4d'; available: .*heads, .*x3d"):
        PluginManager.discover(allow=["x4d", "heds", "ensemble"])
    with pytest.raises(fitsense.InvalidInputError, match="expected a list of names, got the single text 'x3d'"):
        PluginManager.discover(allow="x3d")


def test_discover_environment_blocks_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FITSENSE_PLUGINS_BLOCK", " slowfast,, nobody ")
    host = PluginManager.discover(allow=["slowfast", "heads"])
    (report,) = [report for report in host.reports if report.name == "slowfast"]
    assert report.status == "disabled"
    assert report.reason == "blocked by the environment variable FITSENSE_PLUGINS_BLOCK"
    assert [report.name for report in host.reports if report.status == "loaded"] == ["heads"]
    # A program that hands over a plugin knows what it does.
    assert PluginManager().register(plugin("slowfast")).status == "loaded"
    monkeypatch.setenv("FITSENSE_PLUGINS_BLOCK", "")
    assert PluginManager.discover().backbone("slowfast/small")


def test_register_deprecated_use_is_reported(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """In a host whose hooks have one more, which is deprecated, and whose fusions have two such fields."""

    @hookspec
    @deprecated_hook(since="0.3", removed_in=2, instead="fitsense_fusions")
    def fitsense_mixers() -> Iterable[FusionSpec]:  # type: ignore[empty-body]
        """Offer mixers."""

    hooks = types.ModuleType("hooks")
    vars(hooks).update(vars(hookspecs), fitsense_mixers=fitsense_mixers)

    class Host(PluginManager):
        _hookspecs = hooks

    @attrs.frozen
    class OldFusionSpec(FusionSpec):
        bold: bool = attrs.field(
            default=False, metadata=deprecated_field(since="0.4", removed_in=3, instead="a fusion of that name")
        )
        tags: list[str] = attrs.field(
            factory=list, metadata=deprecated_field(since="0.4", removed_in=3, instead="summary")
        )

    monkeypatch.setattr("fitsense.plugins._validation.FusionSpec", OldFusionSpec)
    host = Host()
    fusions = [OldFusionSpec("old", nothing, Config, bold=True), OldFusionSpec("new", nothing, Config)]
    report = host.register(plugin("mine", fitsense_mixers=lambda: [], fitsense_fusions=lambda: fusions))
    assert report.status == "loaded"
    assert report.deprecations == (
        "hook fitsense_mixers is deprecated since fitsense 0.3 and will be removed in plugin API 2: "
        "use fitsense_fusions",
        "OldFusionSpec.bold (of old) is deprecated since fitsense 0.4 and will be removed in plugin API 3: "
        "use a fusion of that name",
    )
    assert [record.args for record in caplog.records] == [("mine", note) for note in report.deprecations]
    assert host.register(plugin("other", fitsense_fusions=lambda: fusions[1:])).deprecations == ()
    # Where there is no such hook any more, it is refused.
    assert "unknown hook fitsense_mixers" in broken(fitsense_mixers=lambda: [])


def test_register_without_api_version_means_first(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("old")
    module.fitsense_plugin = hookimpl(lambda: PluginInfo("old", "1.0"))  # type: ignore[attr-defined]
    assert PluginManager().register(module).status == "loaded"
    monkeypatch.setattr("fitsense.plugins._manager.API_VERSION", 2)
    report = PluginManager().register(module)
    assert (report.status, report.reason) == (
        "incompatible",
        "expected plugin API 2, got 1: update the plugin",
    )


def test_register_misspelt_hook_suggests_similar_one() -> None:
    assert broken(fitsense_backbone=lambda: []) == "unknown hook fitsense_backbone; did you mean fitsense_backbones?"


def test_register_hook_with_wrong_arguments_is_refused() -> None:
    reason = broken(fitsense_resolve_weights=lambda reference: None)
    assert reason == "hook fitsense_resolve_weights: expected parameters among (ref), got (reference)"


def test_register_unmarked_hook_is_refused() -> None:
    module = plugin()
    module.fitsense_heads = lambda: []  # type: ignore[attr-defined]
    report = PluginManager().register(module)
    assert (report.status, report.reason) == ("broken", "fitsense_heads is not marked with fitsense.hookimpl")


@attrs.frozen
class NoDefault:
    frames: int


def nothing(*arguments: Any) -> Any:
    return None


def leaving() -> Iterable[BackboneSpec]:
    raise SystemExit(3)


def raising() -> Iterable[BackboneSpec]:
    raise RuntimeError("no GPU")


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


def test_register_without_info_is_broken() -> None:
    assert "expected a hook fitsense_plugin" in PluginManager().register(types.ModuleType("nobody")).reason


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


def test_resolve_weights_first_answer_is_used(tmp_path: Path) -> None:
    def failing(ref: WeightsRef) -> Path:
        raise KeyError(ref.uri)

    (tmp_path / "w.pth").touch()
    host = PluginManager()
    host.register(plugin("knowing", fitsense_resolve_weights=lambda ref: tmp_path / ref.uri))
    host.register(plugin("ignorant", fitsense_resolve_weights=lambda ref: None))
    host.register(plugin("failing", fitsense_resolve_weights=failing))
    host.register(plugin("wrong", fitsense_resolve_weights=lambda ref: "w.pth"))
    assert host.resolve_weights(WeightsRef("w.pth")) == tmp_path / "w.pth"
    assert host.resolve_weights(WeightsRef("other.pth")) is None


STRANGERS = {
    "broken_import": "raise ImportError('missing library')",
    "exits": "raise SystemExit(3)",
    "good": """
import fitsense
@fitsense.hookimpl
def fitsense_plugin():
    return fitsense.plugins.PluginInfo("good-stranger", "2.1")
""",
}


def install(folder: Path, **sources: str) -> None:
    """Distributions `stranger-NAME` with an entry point each, on a path."""
    for name, source in sources.items():
        (folder / f"stranger_{name}.py").write_text(source)
        info = folder / f"stranger_{name}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: stranger-{name}\nVersion: 2.1\n")
        (info / "entry_points.txt").write_text(f"[fitsense]\nstranger-{name} = stranger_{name}\n")


def run(folder: Path, script: str, **environment: str) -> str:
    """Run a script in a process that has `folder` on its path; return what it prints."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(folder), "PATH": "", **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_discover_broken_installed_plugin_is_reported(tmp_path: Path) -> None:
    """Real distributions on a real path, in a process of their own."""
    install(tmp_path, **STRANGERS)
    printed = run(
        tmp_path,
        "import fitsense\n"
        "for r in fitsense.PluginManager.discover().reports: print(r.name, r.status, r.origin, r.reason, sep='|')",
    )
    reports = {line.split("|")[0]: line.split("|")[1:] for line in printed.splitlines()}
    assert reports["good-stranger"][:2] == ["loaded", "stranger-good 2.1"]
    assert reports["stranger-broken_import"][0] == "broken"
    assert "missing library" in reports["stranger-broken_import"][2]
    assert reports["stranger-exits"][0] == "broken"
    assert reports["x3d"][0] == "loaded"


@pytest.mark.parametrize("how", ["environment", "block", "allow"])
def test_discover_disabled_plugin_is_not_imported(how: str, tmp_path: Path) -> None:
    """Two plugins: one leaves a trace when it is imported, the other one loads."""
    trace = tmp_path / "imported"
    install(tmp_path, tracing=f"open({str(trace)!r}, 'w').close()", good=STRANGERS["good"])
    arguments = {"block": "block=['stranger-tracing']", "allow": "allow=['stranger-good', 'x3d']"}.get(how, "")
    environment = {"FITSENSE_PLUGINS_BLOCK": "stranger-tracing"} if how == "environment" else {}
    script = (
        "import fitsense, sys\n"
        f"for r in fitsense.PluginManager.discover({arguments}).reports: print(r.name, r.status)\n"
        "assert 'stranger_good' in sys.modules"
    )
    printed = run(tmp_path, script, **environment).splitlines()
    assert {"stranger-tracing disabled", "good-stranger loaded", "x3d loaded"} <= set(printed)
    assert not trace.exists()
    run(tmp_path, "import fitsense; fitsense.PluginManager.discover()")
    assert trace.exists()


def test_plugins_command_shows_disabled_plugins(tmp_path: Path) -> None:
    install(tmp_path, tracing="raise ImportError")
    environment = {"FITSENSE_PLUGINS_BLOCK": "stranger-tracing", "COLUMNS": "200"}
    printed = run(tmp_path, "from fitsense.cli import main; main(['plugins'])", **environment)
    (line,) = [line for line in printed.splitlines() if line.startswith("stranger-tracing")]
    assert "disabled" in line
    assert "blocked by the environment variable FITSENSE_PLUGINS_BLOCK" in line


def test_commands_give_reason_of_failed_contribution(tmp_path: Path) -> None:
    head = 'fitsense.plugins.HeadSpec("h", "exercise", print, Config, loss="hinge")'
    source = f"""
import attrs, fitsense
@attrs.frozen
class Config: pass
@fitsense.hookimpl
def fitsense_plugin():
    return fitsense.plugins.PluginInfo("partial", "1.0")
@fitsense.hookimpl
def fitsense_heads():
    return [{head}]
@fitsense.hookimpl
def fitsense_fusions():
    return [fitsense.plugins.FusionSpec("f", lambda config, branches: branches["one"], Config)]
"""
    install(tmp_path, partial=source, unimportable="import no_such_library")

    def cli(*arguments: str) -> str:
        script = f"from fitsense.cli import main; main({list(arguments)!r}, standalone_mode=False)"
        return run(tmp_path, f"import contextlib\nwith contextlib.suppress(SystemExit): {script}", COLUMNS="200")

    reason = "partial/h: loss: expected one of cross_entropy, binary_cross_entropy"
    listed = cli("plugins")
    assert "loaded in part" in next(line for line in listed.splitlines() if line.startswith("partial"))
    assert reason in listed
    assert reason in cli("plugins", "check", "partial", "--only", "partial/f") + cli("plugins", "check", "partial")
    assert reason in cli("doctor")


def test_runner_missing_plugin_names_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, unimportable="import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(fitsense.UnknownNameError, match=r"no plugin 'gym' is installed; .*No module named 'no_such"):
        runner.installed("gym")


def test_plugins_command_shows_deprecations(monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from fitsense.cli.plugins import command

    note = Deprecation("0.3", 2, "something else").note("hook fitsense_heads")
    monkeypatch.setattr(
        hookspecs.fitsense_heads, "fitsense_deprecation", Deprecation("0.3", 2, "something else"), False
    )
    done = CliRunner().invoke(command, [])
    assert f"heads: {note}" in done.output.splitlines()
    reports = {report["name"]: report for report in json.loads(CliRunner().invoke(command, ["--json"]).output)}
    assert reports["heads"]["deprecations"] == [note]
    assert reports["x3d"]["deprecations"] == []


def test_trace_writes_a_line_for_each_call_of_a_hook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def backbones() -> Iterable[Any]:
        yield spec("a")
        raise RuntimeError("no more")

    module = plugin(
        "mine",
        fitsense_backbones=backbones,
        fitsense_heads=raising,
        fitsense_fusions=lambda: [FusionSpec("f", nothing, Config)],
        fitsense_resolve_weights=lambda ref: None,
        fitsense_event_emitted=lambda event, state: None,
    )
    PluginManager().register(module)
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FITSENSE_TRACE_PLUGINS", "1")
    host = PluginManager()
    assert host.register(module).provides == {"backbones": ("mine/a",), "fusions": ("mine/f",)}
    host.resolve_weights(WeightsRef("w.pth"))
    host.notify("urn:x", Event("urn:x", 7, datetime.now(UTC), ExerciseStarted("squat", 0.0, 0.5)))
    lines = [line.rpartition(" in ")[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == [
        "plugin module_mine: fitsense_plugin() -> PluginInfo mine",
        "plugin module_mine: fitsense_backbones() -> [BackboneSpec a], then raised RuntimeError: no more",
        "plugin module_mine: fitsense_heads() raised RuntimeError: no GPU",
        "plugin module_mine: fitsense_fusions() -> [FusionSpec f]",
        "plugin mine: fitsense_resolve_weights(WeightsRef w.pth) -> None",
        "plugin mine: fitsense_event_emitted(fitsense.exercise.started 7, {}) -> None",
    ]


@attrs.frozen
class SizedConfig:
    size: int = 8
    short_side: int = 8


@attrs.frozen(init=False)
class OpenConfig:
    size: int = 8

    def __init__(self, **options: Any) -> None:
        self.__attrs_init__(options.get("size", 8))


def test_config_of_loaded_plugin_explains_a_misspelt_option() -> None:
    def backbones() -> Iterable[BackboneSpec]:
        for name in ("a", "b"):
            yield spec(name, config=SizedConfig, clip=lambda config: ClipSpec(4, 2.0, config.size, config.size))

    module = plugin("mine", fitsense_backbones=backbones)
    host = PluginManager()
    assert host.register(module).status == "loaded"
    for name in ("a", "b"):
        with pytest.raises(TypeError) as error:
            host.backbone(f"mine/{name}").config(sise=64)
        assert str(error.value) == (
            "SizedConfig: expected arguments of size, short_side, got 'sise'; did you mean 'size'?"
        )
    assert host.backbone("mine/a").config(size=64) == SizedConfig(64)


def test_config_of_loaded_plugin_that_accepts_any_option_still_does() -> None:
    host = PluginManager()
    assert (
        host.register(
            plugin(
                "mine", fitsense_backbones=lambda: [spec(config=OpenConfig, clip=lambda config: ClipSpec(4, 2.0, 8, 8))]
            )
        ).status
        == "loaded"
    )
    assert host.backbone("mine/net").config(sise=64, size=16).size == 16
