"""Runner of contracts without a test suite, with the outcome of each law. Needs ``fitsense[testing]``."""

from __future__ import annotations

import contextvars
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import attrs

from fitsense._internal.configs import config_from_json
from fitsense.errors import FitsenseError, PluginError, UnknownNameError
from fitsense.plugins._discovery import installed as installed_entry_points
from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import DerivedHeadSpec

Status = Literal["held", "broken", "does not apply"]

# Contents of the module that pytest collects, for the one run of a context.
_collected: contextvars.ContextVar[Mapping[str, type]] = contextvars.ContextVar("_collected")
_MODULE = "from fitsense.testing import runner\nglobals().update(runner.collected())\n"


@attrs.frozen
class Outcome:
    """Outcome of one law.

    :param subject: the checked plugin or contribution, such as ``backbone x3d/s``.
    :param law: the law, in words.
    :param message: why the law is broken or does not apply; empty if it held.
    :param seconds: duration, with preparation.
    """

    subject: str
    law: str
    status: Status
    message: str
    seconds: float


def check(
    plugin: Any, *, only: str | None = None, configs: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Outcome]:
    """Check a plugin and its contributions against :mod:`fitsense.testing.contracts`.

    :param plugin: a module or an object with hook implementations.
    :param only: full name of the only contribution to check; None for the plugin and all its contributions.
    :param configs: differences from the default configuration, by full name of the contribution.
    :raises UnknownNameError: the plugin does not provide what `only` or `configs` names.
    :raises MissingExtraError: pytest is not installed.
    """
    return run(contracts_of(plugin, only=only, configs=configs))


def contracts_of(
    plugin: Any, *, only: str | None = None, configs: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, type]:
    """Contracts of a plugin and its contributions, by subject."""
    from fitsense.testing import contracts

    host = PluginManager()
    report = host.register(plugin)
    classes: dict[str, type] = {f"plugin {report.name}": subclass(contracts.PluginContract, plugin=plugin)}
    if host.adds_events(report.name):
        classes[f"observer of {report.name}"] = subclass(contracts.ObserverContract, plugin=plugin)
    for task in report.provides.get("tasks", ()):
        classes[f"task {task}"] = subclass(contracts.TaskContract, plugin=plugin, name=task)
    offers: list[tuple[str, str, type, Any]] = [
        *(("backbone", full, contracts.BackboneContract, spec) for full, spec in host.backbones().items()),
        *(
            (
                "head",
                full,
                contracts.DerivedHeadContract if isinstance(spec, DerivedHeadSpec) else contracts.HeadContract,
                spec,
            )
            for full, spec in host.heads().items()
        ),
        *(("fusion", full, contracts.FusionContract, spec) for full, spec in host.fusions().items()),
        *(("detector", full, contracts.DetectorContract, spec) for full, spec in host.detectors().items()),
        *(
            ("pose estimator", full, contracts.PoseEstimatorContract, spec)
            for full, spec in host.pose_estimators().items()
        ),
    ]
    names = [full for _, full, _, _ in offers]
    for wanted in [*([only] if only else []), *(configs or {})]:
        if wanted not in names:
            reasons = [report.reason, *report.faults]
            raise UnknownNameError(
                f"{report.name} provides no {wanted!r}; it provides: {', '.join(names) or 'nothing'}"
                + "".join(f"; {reason}" for reason in reasons if reason)
            )
    for kind, full, contract, spec in offers:
        config = config_from_json(spec.config, (configs or {}).get(full, {}), full)
        classes[f"{kind} {full}"] = subclass(contract, plugin=plugin, name=full.partition("/")[2], config=config)
    return {subject: kept for subject, kept in classes.items() if only is None or subject.endswith(f" {only}")}


def subclass(contract: type, **fixtures: Any) -> type:
    """Derive a contract whose fixtures return these values."""
    import pytest

    def giving(value: Any) -> Callable[[Any], Any]:
        def fixture(self: Any) -> Any:
            return value

        return fixture

    members = {name: pytest.fixture(giving(value)) for name, value in fixtures.items()}
    return type(f"Test{contract.__name__}", (contract,), members)


def run(classes: Mapping[str, type]) -> list[Outcome]:
    """Run contracts, by subject, in a separate pytest run without the settings and plugins of the caller."""
    import pytest

    by_name = {f"Test{at}": subject for at, subject in enumerate(classes)}
    recorder = _Recorder(by_name)
    token = _collected.set({name: classes[subject] for name, subject in by_name.items()})
    try:
        with tempfile.TemporaryDirectory(prefix="contracts_") as folder, _own_settings():
            (Path(folder) / "pytest.ini").write_text("[pytest]\n", "utf-8")
            # With a unique name, since pytest caches modules by name.
            (Path(folder) / f"test_{Path(folder).name}.py").write_text(_MODULE, "utf-8")
            # The last one runs the garbage collector of the process several times.
            unused = ("terminal", "cacheprovider", "faulthandler", "unraisableexception")
            code = pytest.main([*(f"-pno:{name}" for name in unused), "--import-mode=importlib", folder], [recorder])
    finally:
        sys.modules.pop(f"test_{Path(folder).name}", None)
        _collected.reset(token)
    if recorder.failure or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise FitsenseError(f"the contracts could not be run: {recorder.failure or pytest.ExitCode(code).name}")
    return recorder.outcomes


def collected() -> Mapping[str, type]:
    """The classes of the current run; for the module that pytest collects."""
    return _collected.get()


def installed(name: str) -> Any:
    """Import the installed plugin with this name, or with an entry point of this name.

    :raises UnknownNameError: there is none; the message lists the entry points.
    :raises PluginError: importing it fails.
    """
    candidates = sorted(installed_entry_points(), key=lambda candidate: not candidate.matches(name))
    failed: dict[str, str] = {}
    for candidate in candidates:
        try:
            plugin = candidate.load()
        except PluginError as error:
            if candidate.matches(name):
                raise
            failed[candidate.name] = str(error)
            continue
        if candidate.matches(name) or name == PluginManager().register(plugin).name:
            return plugin
    there = ", ".join(sorted(candidate.name for candidate in candidates))
    raise UnknownNameError(
        f"no plugin {name!r} is installed; available: {there or 'none'}"
        + "".join(f"; {candidate}: {reason}" for candidate, reason in failed.items())
    )


class _Recorder:
    """A plugin of pytest that records the outcome of each test."""

    def __init__(self, subjects: Mapping[str, str]) -> None:
        self._subjects = subjects
        self._parts: dict[str, list[Any]] = {}
        self.failure = ""

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failure = str(report.longrepr)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._parts.setdefault(report.nodeid, []).append(report)

    @property
    def outcomes(self) -> list[Outcome]:
        return [self._outcome(node, parts) for node, parts in self._parts.items()]

    def _outcome(self, node: str, parts: list[Any]) -> Outcome:
        _, name, test = node.split("::", 2)
        law, _, parameters = test.removeprefix("test_").partition("[")
        status: Status = "held"
        message = ""
        for part in parts:
            if part.failed:
                status, message = "broken", _message(part)
                break
            if part.skipped:
                status, message = "does not apply", str(part.longrepr[2]).removeprefix("Skipped: ")
        return Outcome(
            subject=self._subjects[name],
            law=law.replace("_", " ") + (f" ({parameters.removesuffix(']')})" if parameters else ""),
            status=status,
            message=message,
            seconds=round(sum(part.duration for part in parts), 3),
        )


def _message(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    # The rest is pytest's explanation of the assertion, which repeats the message.
    return str(text).removeprefix("AssertionError: ").partition("\nassert ")[0].removeprefix("Failed: ").strip()


@contextmanager
def _own_settings() -> Iterator[None]:
    """Remove the variables of the environment that change the run; restore them afterwards."""
    before = dict(os.environ)
    os.environ.pop("PYTEST_ADDOPTS", None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
