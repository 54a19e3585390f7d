"""Installed plugins: real distributions on a real path."""

from __future__ import annotations

from pathlib import Path

import pytest

import fitsense
from fitsense.testing import runner
from tests.helpers.stranger_plugins import STRANGERS, install, run


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


@pytest.mark.slow
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
    # Starting a process takes longer than each command.
    check = ["plugins", "check", "partial"]
    commands = [["plugins"], [*check, "--only", "partial/f"], check, ["doctor"]]
    printed = run(
        tmp_path,
        "import contextlib\nfrom fitsense.cli import main\n"
        f"for command in {commands!r}:\n"
        "    with contextlib.suppress(SystemExit):\n"
        "        main(command, standalone_mode=False)\n"
        "    print('\\f')",
        COLUMNS="200",
    )
    listed, one_checked, checked, doctor, _ = printed.split("\f")
    reason = "partial/h: loss: expected one of cross_entropy, binary_cross_entropy"
    assert "loaded in part" in next(line for line in listed.splitlines() if line.startswith("partial"))
    assert reason in listed
    assert reason in one_checked + checked
    assert reason in doctor


def test_runner_missing_plugin_names_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, unimportable="import no_such_library")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(fitsense.UnknownNameError, match=r"no plugin 'gym' is installed; .*No module named 'no_such"):
        runner.installed("gym")
