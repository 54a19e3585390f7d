"""Plugin host: discovers plugins, validates and reports on each, and looks up their contributions by name.

A host is an instance, never a global. It iterates over the entry points itself, so that a plugin that is broken,
incompatible or a duplicate affects no other, and gets a report with the reason.
"""

from __future__ import annotations

import logging
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pluggy

from fitsense.errors import AmbiguousNameError, InvalidInputError, PluginError, UnknownNameError
from fitsense.plugins import _deprecation as deprecations
from fitsense.plugins import hookspecs
from fitsense.plugins._discovery import Candidate, allowed, described, installed
from fitsense.plugins._implementations import implementations_of, module_name
from fitsense.plugins._observers import ObserverReply, Observers
from fitsense.plugins._report import PluginReport
from fitsense.plugins._tasks import unknown_task, with_unknown_tasks
from fitsense.plugins._trace import traced
from fitsense.plugins._validation import Contributions, PluginRejectedError, collect, info_of
from fitsense.plugins.specs import (
    API_VERSION,
    BackboneSpec,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    PoseEstimatorSpec,
    SinkSpec,
    WeightsRef,
)
from fitsense.plugins.tasks import RESERVED, TaskSpec

if TYPE_CHECKING:
    from fitsense.events.model import Event

BLOCK_VARIABLE = "FITSENSE_PLUGINS_BLOCK"
"""Environment variable: comma-separated names that :meth:`PluginManager.discover` does not load."""

_LOGGER = logging.getLogger("fitsense.plugins")
# Hooks that are useful without a contribution.
_ACTING = frozenset({"fitsense_resolve_weights", "fitsense_event_emitted"})
_NOT_ALLOWED = "not among those that the program allows"


class PluginManager:
    """A set of plugins. Use :meth:`discover` for the installed ones, or :meth:`register` with an empty one.

    Names are names of plugins. :meth:`discover` also accepts names of entry points, of distributions, or of both as
    ``distribution:name``; these select plugins before they are imported.

    :param block: names not to load; overrides `allow`. Unknown names are no error.
    :param allow: the only names to load; None for all.
    """

    _hookspecs: types.ModuleType = hookspecs

    def __init__(self, block: Collection[str] = (), *, allow: Collection[str] | None = None) -> None:
        for what, names in (("block", block), ("allow", allow)):
            if isinstance(names, str):
                raise InvalidInputError(f"{what}: expected a list of names, got the single text {names!r}")
        self._manager = pluggy.PluginManager("fitsense")
        self._manager.add_hookspecs(self._hookspecs)
        self._block = dict.fromkeys(block, "blocked by the program")
        self._allow = None if allow is None else frozenset(allow)
        self._reserved: frozenset[str] = frozenset()
        self._contributions = Contributions()
        self._reports: list[PluginReport] = []
        self._observers = Observers(self._contributions.event_schemas)

    @classmethod
    def discover(cls, block: Collection[str] = (), *, allow: Collection[str] | None = None) -> PluginManager:
        """Load the installed plugins of the entry-point group ``fitsense``: built-in ones first, then others by name.

        Names of built-in plugins are reserved, even if these are not loaded.

        :param block: names not to load, in addition to those in the environment variable ``FITSENSE_PLUGINS_BLOCK``.
            Plugins blocked by the name of their entry point or distribution are not imported.
        :param allow: names of entry points or distributions; no others are imported. The name of a built-in entry point
            selects only that one.
        :raises UnknownNameError: a name in `allow` is not installed; the message lists the installed names.
        :raises AmbiguousNameError: several distributions share a name in `allow`; the message lists their full names.
        """
        host = cls(block, allow=allow)
        variable = (name.strip() for name in os.environ.get(BLOCK_VARIABLE, "").split(","))
        host._block |= dict.fromkeys(filter(None, variable), f"blocked by the environment variable {BLOCK_VARIABLE}")
        candidates = installed()
        host._reserved = frozenset(candidate.name for candidate in candidates if candidate.built_in)
        wanted = candidates if allow is None else allowed(candidates, allow)
        for candidate in candidates:
            host._load(candidate, wanted=candidate in wanted)
        return host

    @property
    def reports(self) -> Sequence[PluginReport]:
        """One report per plugin, in loading order."""
        return tuple(map(self._with_unknown_tasks, self._reports))

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """Number of errors raised by each plugin's ``fitsense_event_emitted``, by plugin name."""
        return dict(self._observers.failures)

    def register(self, plugin: object, name: str | None = None, origin: str = "registered") -> PluginReport:
        """Register a plugin, a module or an object with hook implementations. Faults of the plugin are reported, never
        raised.

        :param name: name for the report of a plugin that fails to give its own.
        :param origin: origin for the report.
        """
        return self._register(plugin, name, origin, None)

    def _register(self, plugin: object, name: str | None, origin: str, candidate: Candidate | None) -> PluginReport:
        fallback = name or type(plugin).__name__
        try:
            fallback = name or module_name(plugin)
            report = self._load_plugin(plugin, origin, candidate)
        except PluginRejectedError as rejection:
            report = PluginReport(rejection.name or fallback, rejection.status, str(rejection), origin=origin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A plugin may raise anything, even SystemExit; the host survives.
            report = PluginReport(fallback, "broken", described(error), origin=origin)
        for note in (*report.faults, *report.deprecations):
            _LOGGER.warning("plugin %s: %s", report.name, note)
        self._reports.append(report)
        return self._with_unknown_tasks(report)

    def backbones(self) -> Mapping[str, BackboneSpec]:
        """Backbones by ``plugin/name``."""
        return dict(self._contributions.backbones)

    def heads(self) -> Mapping[str, HeadSpec | DerivedHeadSpec]:
        """Heads by ``plugin/name``, of tasks that are declared."""
        tasks = self.tasks()
        return {full: spec for full, spec in self._contributions.heads.items() if not unknown_task(spec, tasks)}

    def fusions(self) -> Mapping[str, FusionSpec]:
        """Fusions by ``plugin/name``."""
        return dict(self._contributions.fusions)

    def detectors(self) -> Mapping[str, DetectorSpec]:
        """Detectors by ``plugin/name``."""
        return dict(self._contributions.detectors)

    def pose_estimators(self) -> Mapping[str, PoseEstimatorSpec]:
        """Pose estimators by ``plugin/name``."""
        return dict(self._contributions.pose_estimators)

    def sinks(self) -> Mapping[str, SinkSpec]:
        """Sinks by ``plugin/name``."""
        return dict(self._contributions.sinks)

    def tasks(self) -> Mapping[str, TaskSpec]:
        """Tasks by name: fitsense's own, and those that plugins declare."""
        return {**RESERVED, **self._contributions.tasks}

    def event_schemas(self) -> Mapping[str, EventSchema]:
        """Event schemas of plugins by event type."""
        return dict(self._contributions.event_schemas)

    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """JSON Schemas that plugins publish: of their events by type, and of their tasks' parts as ``task.NAME``."""
        tasks = {f"task.{name}": task.schema for name, task in self.tasks().items() if task.schema is not None}
        return {**{type_: offer.schema for type_, offer in self._contributions.event_schemas.items()}, **tasks}

    def backbone(self, name: str) -> BackboneSpec:
        """Look up a backbone by its full name (``x3d/s``) or, if unique, its short name (``s``)."""
        return self._contributions.backbones[self.full_name("backbone", name)]

    def head(self, name: str) -> HeadSpec | DerivedHeadSpec:
        """Look up a head by its full or, if unique, short name."""
        return self._contributions.heads[self.full_name("head", name)]

    def fusion(self, name: str) -> FusionSpec:
        """Look up a fusion by its full or, if unique, short name."""
        return self._contributions.fusions[self.full_name("fusion", name)]

    def task(self, name: str) -> TaskSpec:
        """Look up a task by its name.

        :raises UnknownNameError: no plugin declares it; the message lists the tasks.
        """
        tasks = self.tasks()
        if name not in tasks:
            raise UnknownNameError(f"unknown task {name!r}; available: {', '.join(tasks)}{self._failures()}")
        return tasks[name]

    def detector(self, name: str) -> DetectorSpec:
        """Look up a detector by its full or, if unique, short name."""
        return self._contributions.detectors[self.full_name("detector", name)]

    def pose_estimator(self, name: str) -> PoseEstimatorSpec:
        """Look up a pose estimator by its full or, if unique, short name."""
        return self._contributions.pose_estimators[self.full_name("pose estimator", name)]

    def sink(self, name: str) -> SinkSpec:
        """Look up a sink by its full or, if unique, short name."""
        return self._contributions.sinks[self.full_name("sink", name)]

    def full_name(
        self, kind: Literal["backbone", "head", "fusion", "detector", "pose estimator", "sink"], name: str
    ) -> str:
        """``plugin/name`` for the full or short name of a contribution.

        :raises UnknownNameError: no plugin provides it; the message lists available names and failed plugins.
        :raises AmbiguousNameError: several plugins provide the short name; the message lists them.
        """
        by_kind: Mapping[str, Mapping[str, object]] = {
            "backbone": self._contributions.backbones,
            "head": self.heads(),
            "fusion": self._contributions.fusions,
            "detector": self._contributions.detectors,
            "pose estimator": self._contributions.pose_estimators,
            "sink": self._contributions.sinks,
        }
        available = by_kind[kind]
        if name in available:
            return name
        candidates = sorted(full for full in available if full.partition("/")[2] == name)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise AmbiguousNameError(
                f"{kind} {name!r} is ambiguous; use one of the full names: {', '.join(candidates)}"
            )
        raise UnknownNameError(
            f"unknown {kind} {name!r}; available: {', '.join(sorted(available)) or 'none'}{self._failures()}"
        )

    def _failures(self) -> str:
        """Plugins that are not loaded and contributions that are refused, to follow an error message."""
        failed = [f"{r.name} ({r.status}: {r.reason})" for r in self._reports if r.status != "loaded"]
        refused = [fault for report in self.reports for fault in report.faults]
        return (f"; failed plugins: {'; '.join(failed)}" if failed else "") + (
            f"; refused: {'; '.join(refused)}" if refused else ""
        )

    def _with_unknown_tasks(self, report: PluginReport) -> PluginReport:
        return with_unknown_tasks(report, self._contributions.heads, self.tasks())

    def resolve_weights(self, ref: WeightsRef) -> Path | None:
        """Local file of `ref` from the first plugin that resolves it; None if none does. The checksum is not verified.

        Plugins are called in pluggy's order: first those marked ``tryfirst``, then the others from the last registered
        to the first, then those marked ``trylast``.
        """
        for implementation in self._in_call_order(self._manager.hook.fitsense_resolve_weights):
            try:
                resolve = traced(implementation.plugin_name, "fitsense_resolve_weights", implementation.function)
                path = resolve(*(ref for _ in implementation.argnames))
                if isinstance(path, Path) and path.is_file():
                    return path
                if path is not None:
                    _LOGGER.error("plugin %s resolved %s to %r, no file", implementation.plugin_name, ref.uri, path)
            except KeyboardInterrupt:
                raise
            except BaseException:
                _LOGGER.exception("plugin %s failed to resolve %s", implementation.plugin_name, ref.uri)
        return None

    def adds_events(self, plugin: str) -> bool:
        """True if a plugin of this name has registered schemas of events."""
        return self._observers.adds_events(plugin)

    def notify(
        self,
        source: str,
        event: Event,
        states: MutableMapping[str, str] | None = None,
        *,
        adding: bool | None = None,
    ) -> Sequence[ObserverReply]:
        """Notify observers of an event, in pluggy's order. Errors are logged and counted, and affect no other.

        :param states: JSON of each observer's state for this session, by plugin name; observers change it.
        :param adding: whether to notify only plugins with event schemas, or only those without; None for all.
        :returns: the observers' replies.
        """
        return self._observers.call(
            [
                one
                for one in self._in_call_order(self._manager.hook.fitsense_event_emitted)
                if adding is None or self.adds_events(one.plugin_name) == adding
            ],
            source,
            event,
            {} if states is None else states,
        )

    @staticmethod
    def _in_call_order(hook: pluggy.HookCaller) -> Iterable[pluggy.HookImpl]:
        """Implementations of a hook in pluggy's call order, which is the reverse of its storage order."""
        return reversed(hook.get_hookimpls())

    def _load(self, candidate: Candidate, *, wanted: bool) -> None:
        blocked = [reason for name, reason in self._block.items() if candidate.matches(name)]
        if blocked or not wanted:
            reason = blocked[0] if blocked else _NOT_ALLOWED
            self._reports.append(PluginReport(candidate.name, "disabled", reason, origin=candidate.origin))
            return
        try:
            plugin = candidate.load()
        except PluginError as error:
            self._reports.append(PluginReport(candidate.name, "broken", str(error), origin=candidate.origin))
            return
        self._register(plugin, candidate.name, candidate.origin, candidate)

    def _refuse_unwanted(self, name: str, candidate: Candidate | None) -> None:
        """Reject a plugin whose name is blocked, not allowed, or reserved; entry points were selected before."""
        if name in self._block:
            raise PluginRejectedError("disabled", self._block[name], name)
        if candidate is None and self._allow is not None and name not in self._allow:
            raise PluginRejectedError("disabled", _NOT_ALLOWED, name)
        if candidate is not None and not candidate.built_in and name in self._reserved:
            raise PluginRejectedError(
                "duplicate", f"the name {name} is reserved for a built-in plugin; choose another", name
            )

    def _load_plugin(self, plugin: object, origin: str, candidate: Candidate | None) -> PluginReport:
        implementations = implementations_of(plugin, self._manager, self._hookspecs)
        info = info_of(implementations)
        self._refuse_unwanted(info.name, candidate)
        if info.api_version != API_VERSION:
            raise PluginRejectedError(
                "incompatible",
                f"expected plugin API {API_VERSION}, got {info.api_version}: "
                + ("update fitsense" if info.api_version > API_VERSION else "update the plugin"),
                info.name,
            )
        if self._manager.has_plugin(info.name):
            earlier = next(r for r in self._reports if r.name == info.name and r.status == "loaded")
            raise PluginRejectedError(
                "duplicate", f"a plugin of this name was already loaded from {earlier.origin}", info.name
            )
        contributions, faults = collect(implementations, info, self._contributions.tasks)
        if faults and not (contributions.names or _ACTING.intersection(implementations)):
            raise PluginRejectedError("broken", "; ".join(faults), info.name)
        notes = self._deprecation_notes(implementations, contributions)
        try:
            self._manager.register(plugin, info.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._manager.unregister(plugin)
            raise PluginRejectedError("broken", str(error)) from error
        for kind in attrs.fields(Contributions):
            getattr(self._contributions, kind.name).update(getattr(contributions, kind.name))
        return PluginReport(
            name=info.name,
            status="loaded",
            version=info.version,
            summary=info.summary,
            origin=origin,
            faults=faults,
            provides=contributions.names,
            deprecations=notes,
        )

    def _deprecation_notes(
        self, implementations: Mapping[str, Callable[..., Any]], contributions: Contributions
    ) -> tuple[str, ...]:
        hooks = {name: deprecations.of_hook(getattr(self._hookspecs, name)) for name in implementations}
        notes = [deprecation.note(f"hook {name}") for name, deprecation in hooks.items() if deprecation]
        for kind in sorted(contributions.names.keys() - {"event_schemas"}):
            for spec in getattr(contributions, kind).values():
                notes += deprecations.notes_on(spec)
        return tuple(notes)
