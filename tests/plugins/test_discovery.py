"""Discovery of plugins: selection, names, order of calls, and refusals."""

from __future__ import annotations

import re
import types
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import fitsense
from fitsense.events.model import Event, SessionWarning
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.hookspecs import hookimpl
from fitsense.plugins.specs import WeightsRef
from tests.helpers.plugin_modules import broken, plugin
from tests.helpers.stranger_plugins import run

EVENT = Event("urn:x", 0, datetime(2026, 1, 1, tzinfo=UTC), SessionWarning("gap", "no frames", 0.0, 1.0))
PRIORITIES: dict[str, dict[str, Any]] = {"late": {"trylast": True}, "one": {}, "early": {"tryfirst": True}, "two": {}}
PLUGIN = """
import fitsense
@fitsense.hookimpl
def fitsense_plugin():
    return fitsense.plugins.PluginInfo({name!r}, "1.0")
"""


def prioritised(hook: str, called: list[str]) -> PluginManager:
    """A host with a plugin for each of PRIORITIES, which notes its name when its `hook` is called."""

    def noting(name: str) -> Callable[..., Any]:
        def fitsense_resolve_weights(ref: WeightsRef) -> None:
            called.append(name)

        def fitsense_event_emitted(source: str) -> None:
            called.append(name)

        return fitsense_resolve_weights if hook == "fitsense_resolve_weights" else fitsense_event_emitted

    host = PluginManager()
    for name, options in PRIORITIES.items():
        module = plugin(name)
        setattr(module, hook, hookimpl(**options)(noting(name)))
        assert host.register(module).status == "loaded"
    return host


def test_resolve_weights_follows_order_of_pluggy() -> None:
    called: list[str] = []
    host = prioritised("fitsense_resolve_weights", called)
    assert host.resolve_weights(WeightsRef("w.pth")) is None
    assert called == ["early", "two", "one", "late"]
    called.clear()
    host._manager.hook.fitsense_resolve_weights(ref=WeightsRef("w.pth"))
    assert called == ["early", "two", "one", "late"]


def test_event_emitted_follows_order_of_pluggy() -> None:
    called: list[str] = []
    prioritised("fitsense_event_emitted", called).notify("urn:x", EVENT)
    assert called == ["early", "two", "one", "late"]


def wrapping() -> Iterator[None]:
    yield


async def coroutine() -> None: ...


async def async_generator() -> AsyncIterator[None]:
    yield


@pytest.mark.parametrize("options", [{"wrapper": True}, {"hookwrapper": True}])
@pytest.mark.parametrize("hook", ["fitsense_plugin", "fitsense_backbones", "fitsense_event_emitted"])
def test_register_wrapper_is_refused(hook: str, options: dict[str, Any]) -> None:
    module = plugin("mine")
    setattr(module, hook, hookimpl(**options)(types.FunctionType(wrapping.__code__, {}, hook)))
    report = PluginManager().register(module)
    assert report.status == "broken"
    assert f"hook {hook}: expected a plain implementation, got a wrapper" in report.reason


@pytest.mark.parametrize(
    ("hook", "implementation", "reason"),
    [
        ("fitsense_event_emitted", coroutine, "expected a plain function, got an async one"),
        ("fitsense_backbones", async_generator, "expected a plain function, got an async one"),
        ("fitsense_resolve_weights", wrapping, "expected a plain function, got a generator"),
        ("fitsense_event_emitted", lambda *, event: None, r"among \(source, event, state\), got \(event\)"),
    ],
)
def test_register_unreachable_implementation_is_refused(
    hook: str, implementation: Callable[..., Any], reason: str
) -> None:
    copy = types.FunctionType(implementation.__code__, {}, hook)
    copy.__kwdefaults__ = implementation.__kwdefaults__
    assert re.search(reason, broken(**{hook: copy}))


def test_register_two_implementations_are_refused() -> None:
    module = plugin("mine", fitsense_heads=lambda: ())
    module.more_heads = hookimpl(specname="fitsense_heads")(lambda: ())  # type: ignore[attr-defined]
    assert "fitsense_heads: expected one implementation, got several" in PluginManager().register(module).reason


class Unshowable(BaseException):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit(), Unshowable()])
def test_hooks_raising_errors_fail_only_their_plugin(error: BaseException) -> None:
    def failing(*arguments: Any) -> Any:
        raise error

    host = PluginManager()
    host.register(plugin("a", fitsense_backbones=lambda: failing()))
    hooks = {"fitsense_resolve_weights": lambda ref: failing(), "fitsense_event_emitted": lambda event: failing()}
    host.register(plugin("b", **hooks))
    assert [report.status for report in host.reports] == ["broken", "loaded"]
    assert type(error).__name__ in host.reports[0].reason
    assert host.resolve_weights(WeightsRef("w.pth")) is None
    host.notify("urn:x", EVENT)
    assert host.observer_failures == {"b": 1}


def test_hooks_interrupted_raise_interrupt() -> None:
    def interrupted(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    host = PluginManager()
    with pytest.raises(KeyboardInterrupt):
        host.register(plugin("mine", fitsense_backbones=lambda: interrupted()))
    host.register(plugin("other", fitsense_event_emitted=lambda event: interrupted()))
    with pytest.raises(KeyboardInterrupt):
        host.notify("urn:x", EVENT)


def install(folder: Path, distribution: str, source: str, *entry_points: str) -> None:
    """A distribution with entry points that all name one module, which notes its import in a file."""
    module = distribution.replace("-", "_") + "_module"
    (folder / f"{module}.py").write_text(f"open({str(folder / distribution)!r} + '.imported', 'w').close()\n{source}")
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {module}\n" for name in entry_points)
    (info / "entry_points.txt").write_text(f"[fitsense]\n{lines}")


def discovered(folder: Path, arguments: str = "") -> dict[tuple[str, str], tuple[str, str]]:
    """Status and reason of each report of a new process, by name and origin's distribution."""
    script = (
        "import fitsense\n"
        f"for r in fitsense.PluginManager.discover({arguments}).reports:\n"
        "    print(r.name, r.origin.partition(' ')[0], r.status, r.reason, sep='|')"
    )
    reports = {}
    for line in run(folder, script).splitlines():
        name, origin, status, reason = line.split("|", 3)
        reports[name, origin] = (status, reason)
    return reports


def imported(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.imported")}


def test_discover_foreign_built_in_names_keep_built_ins(tmp_path: Path) -> None:
    """Foreign plugins take built-in names: as plugin name, as entry point, and with a fatal error."""
    install(tmp_path, "a-first", PLUGIN.format(name="x3d"), "x3d")
    install(tmp_path, "a-second", PLUGIN.format(name="heads"), "aaa")
    install(tmp_path, "fatal", "class Fatal(BaseException): pass\nraise Fatal('no')", "fatal")
    install(tmp_path, "good", PLUGIN.format(name="good"), "good")
    reports = discovered(tmp_path)
    assert reports["x3d", "fitsense"] == reports["heads", "fitsense"] == reports["good", "good"] == ("loaded", "")
    assert reports["x3d", "a-first"][0] == reports["heads", "a-second"][0] == "duplicate"
    assert "reserved for a built-in plugin" in reports["x3d", "a-first"][1]
    assert reports["fatal", "fatal"] == ("broken", "importing fatal_module failed: Fatal: no")
    # The name stays reserved where the built-in plugin is not loaded.
    for arguments in ("allow=['a-second']", "block=['fitsense:heads']"):
        reports = discovered(tmp_path, arguments)
        assert (reports["heads", "fitsense"][0], reports["heads", "a-second"][0]) == ("disabled", "duplicate")


def test_discover_allowed_names_import_only_these(tmp_path: Path) -> None:
    install(tmp_path, "stranger", PLUGIN.format(name="strange"), "heads", "other")
    install(tmp_path, "heads", PLUGIN.format(name="heads-too"), "x3d")
    reports = discovered(tmp_path, "allow=['heads']")
    assert {key for key, (status, _) in reports.items() if status == "loaded"} == {("heads", "fitsense")}
    assert imported(tmp_path) == set()
    reports = discovered(tmp_path, "allow=['heads', 'Stranger:heads']")
    loaded = {key for key, (status, _) in reports.items() if status == "loaded"}
    assert loaded == {("heads", "fitsense"), ("strange", "stranger")}
    assert imported(tmp_path) == {"stranger"}
    # All of a distribution's entry points; block wins.
    reports = discovered(tmp_path, "allow=['stranger', 'fitsense'], block=['stranger:heads', 'heads:x3d']")
    assert ("strange", "stranger") in {key for key, (status, _) in reports.items() if status == "loaded"}
    assert reports["heads", "stranger"] == ("disabled", "blocked by the program")


def test_discover_ambiguous_name_is_refused(tmp_path: Path) -> None:
    install(tmp_path, "one", PLUGIN.format(name="mine"), "mine")
    install(tmp_path, "mine", PLUGIN.format(name="yours"), "yours")
    script = (
        "import fitsense\n"
        "try: fitsense.PluginManager.discover(allow=['mine'])\n"
        "except fitsense.AmbiguousNameError as error: print(error)\n"
        "try: fitsense.PluginManager.discover(allow=['nobody:mine'])\n"
        "except fitsense.UnknownNameError as error: print(error)\n"
    )
    ambiguous, unknown = run(tmp_path, script).splitlines()
    assert "use one of: one:mine, mine:yours" in ambiguous
    assert "named 'nobody:mine'; available: ensemble, heads" in unknown
    assert imported(tmp_path) == set()
    assert "one:mine" in unknown


def test_discover_blocked_distribution_is_not_imported(tmp_path: Path) -> None:
    install(tmp_path, "stranger", PLUGIN.format(name="strange"), "one", "two")
    assert {
        status
        for (_, origin), (status, _) in discovered(tmp_path, "block=['STRANGER']").items()
        if origin == "stranger"
    } == {"disabled"}
    assert imported(tmp_path) == set()


def test_unknown_name_error_of_an_exercise_is_no_plugin_error() -> None:
    with pytest.raises(fitsense.UnknownNameError) as caught:
        fitsense.load_catalogue().find("no such exercise")
    assert not isinstance(caught.value, fitsense.PluginError)
