"""The plugin host: what it takes, what it refuses and why, and that nothing takes it down."""

from __future__ import annotations

import json
import types
from collections.abc import Iterable
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
    FusionSpec,
    PluginInfo,
    WeightsRef,
)
from tests.helpers.plugin_modules import Config, broken, nothing, plugin, raising, spec


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


def test_register_without_info_is_broken() -> None:
    assert "expected a hook fitsense_plugin" in PluginManager().register(types.ModuleType("nobody")).reason


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
