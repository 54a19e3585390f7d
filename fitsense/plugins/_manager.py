"""The plugin host: finds plugins, checks what they offer, reports on each, and looks offers up by name.

A host is an instance, never a global. It iterates the entry points itself, so that one plugin that is broken,
incompatible or a duplicate costs only itself and leaves a report that says why.
"""

from __future__ import annotations

import copy
import difflib
import inspect
import logging
import os
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pluggy

from fitsense.errors import AmbiguousNameError, InvalidInputError, UnknownNameError
from fitsense.plugins import _deprecation as deprecations
from fitsense.plugins import hookspecs
from fitsense.plugins._discovery import Candidate, allowed, installed
from fitsense.plugins._report import PluginReport
from fitsense.plugins._validation import Contributions, PluginRejectedError, _check_callable, collect, info_of
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

if TYPE_CHECKING:
    from fitsense.events.model import Event

BLOCK_VARIABLE = "FITSENSE_PLUGINS_BLOCK"
"""The environment variable that lists, with commas, what :meth:`PluginManager.discover` is not to load."""

_LOGGER = logging.getLogger("fitsense.plugins")
_NOT_ALLOWED = "not among those that the program allows"


class PluginManager:
    """A set of plugins. Use :meth:`discover` for the installed ones; an empty one takes :meth:`register`.

    A name below is that of a plugin. :meth:`discover` also takes the name of an entry point, of its distribution, or of
    both, ``distribution:name``: what these select is known without importing it.

    :param block: names that are not to be loaded. It goes before `allow`; names that nobody has are no error.
    :param allow: the only names that are to be loaded; None for all.
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
        self._observer_failures: dict[str, int] = {}

    @classmethod
    def discover(cls, block: Collection[str] = (), *, allow: Collection[str] | None = None) -> PluginManager:
        """Load the installed plugins of the entry-point group ``fitsense``: its own first, then others by name.

        Names of plugins that come with fitsense are reserved for these, also where they are not loaded.

        :param block: as above; what the environment variable ``FITSENSE_PLUGINS_BLOCK`` lists is blocked too. What is
            blocked by the name of its entry point or distribution is not imported.
        :param allow: as above, by the name of an entry point or a distribution; only these are imported. The name of
            an entry point of fitsense means this one alone.
        :raises UnknownNameError: nothing installed has a name in `allow`; the message lists what there is.
        :raises AmbiguousNameError: several distributions share a name in `allow`; the message says how to name one.
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
        """A report on every plugin, in the order of loading."""
        return tuple(self._reports)

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """How often each plugin's ``fitsense_event_emitted`` raised, by plugin name."""
        return dict(self._observer_failures)

    def register(self, plugin: object, name: str | None = None, origin: str = "registered") -> PluginReport:
        """Take a plugin (a module or an object with hook implementations), or report why not. Never raises
        for what the plugin does wrong.

        :param name: what to call it in the report if it cannot say so itself.
        """
        return self._register(plugin, name, origin, None)

    def _register(self, plugin: object, name: str | None, origin: str, candidate: Candidate | None) -> PluginReport:
        fallback = name or type(plugin).__name__
        try:
            fallback = name or getattr(plugin, "__name__", None) or fallback
            report = self._load_plugin(plugin, origin, candidate)
        except PluginRejectedError as rejection:
            report = PluginReport(rejection.name or fallback, rejection.status, str(rejection), origin=origin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A plugin's code may raise anything, SystemExit included; the host stays up.
            report = PluginReport(fallback, "broken", described(error), origin=origin)
        for note in report.deprecations:
            _LOGGER.warning("plugin %s: %s", report.name, note)
        self._reports.append(report)
        return report

    def backbones(self) -> Mapping[str, BackboneSpec]:
        """Every backbone, by ``plugin/name``."""
        return dict(self._contributions.backbones)

    def heads(self) -> Mapping[str, HeadSpec | DerivedHeadSpec]:
        """Every head, by ``plugin/name``."""
        return dict(self._contributions.heads)

    def fusions(self) -> Mapping[str, FusionSpec]:
        """Every fusion, by ``plugin/name``."""
        return dict(self._contributions.fusions)

    def detectors(self) -> Mapping[str, DetectorSpec]:
        """Every detector, by ``plugin/name``."""
        return dict(self._contributions.detectors)

    def pose_estimators(self) -> Mapping[str, PoseEstimatorSpec]:
        """Every pose estimator, by ``plugin/name``."""
        return dict(self._contributions.pose_estimators)

    def sinks(self) -> Mapping[str, SinkSpec]:
        """Every sink, by ``plugin/name``."""
        return dict(self._contributions.sinks)

    def event_schemas(self) -> Mapping[str, EventSchema]:
        """Every plugin's event schemas, by event type."""
        return dict(self._contributions.event_schemas)

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone called `name`, in full (``x3d/s``) or, where only one has it, in short (``s``)."""
        return self._contributions.backbones[self.full_name("backbone", name)]

    def head(self, name: str) -> HeadSpec | DerivedHeadSpec:
        """The head called `name`, in full or, where only one has it, in short."""
        return self._contributions.heads[self.full_name("head", name)]

    def fusion(self, name: str) -> FusionSpec:
        """The fusion called `name`, in full or, where only one has it, in short."""
        return self._contributions.fusions[self.full_name("fusion", name)]

    def detector(self, name: str) -> DetectorSpec:
        """The detector called `name`, in full or, where only one has it, in short."""
        return self._contributions.detectors[self.full_name("detector", name)]

    def pose_estimator(self, name: str) -> PoseEstimatorSpec:
        """The pose estimator called `name`, in full or, where only one has it, in short."""
        return self._contributions.pose_estimators[self.full_name("pose estimator", name)]

    def sink(self, name: str) -> SinkSpec:
        """The sink called `name`, in full or, where only one has it, in short."""
        return self._contributions.sinks[self.full_name("sink", name)]

    def full_name(
        self, kind: Literal["backbone", "head", "fusion", "detector", "pose estimator", "sink"], name: str
    ) -> str:
        """``plugin/name`` of a `kind`'s full or short name.

        :raises UnknownNameError: nobody offers it; the message lists what there is, and plugins that failed.
        :raises AmbiguousNameError: several plugins offer that short name; the message lists them.
        """
        by_kind: Mapping[str, Mapping[str, object]] = {
            "backbone": self._contributions.backbones,
            "head": self._contributions.heads,
            "fusion": self._contributions.fusions,
            "detector": self._contributions.detectors,
            "pose estimator": self._contributions.pose_estimators,
            "sink": self._contributions.sinks,
        }
        offers = by_kind[kind]
        if name in offers:
            return name
        candidates = sorted(full for full in offers if full.partition("/")[2] == name)
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise AmbiguousNameError(
                f"{kind} {name!r} is offered by several: {', '.join(candidates)}; name one in full"
            )
        failed = [f"{r.name} ({r.status}: {r.reason})" for r in self._reports if r.status != "loaded"]
        raise UnknownNameError(
            f"no {kind} is called {name!r}; there are: {', '.join(sorted(offers)) or 'none'}"
            + (f"; plugins that are not loaded: {'; '.join(failed)}" if failed else "")
        )

    def resolve_weights(self, ref: WeightsRef) -> Path | None:
        """The local file that the first plugin which knows `ref` gives; None where none does. Not verified.

        Plugins are called in pluggy's order: those marked ``tryfirst``, then the last registered first, then those
        marked ``trylast``.
        """
        for implementation in self._called(self._manager.hook.fitsense_resolve_weights):
            try:
                path = implementation.function(*(ref for _ in implementation.argnames))
                if isinstance(path, Path) and path.is_file():
                    return path
                if path is not None:
                    _LOGGER.error("plugin %s resolved %s to %r, no file", implementation.plugin_name, ref.uri, path)
            except KeyboardInterrupt:
                raise
            except BaseException:
                _LOGGER.exception("plugin %s failed to resolve %s", implementation.plugin_name, ref.uri)
        return None

    def notify(self, source: str, event: Event) -> None:
        """Notify every observer of an event, in pluggy's order; what one raises is logged and counted, and stops no
        other.
        """
        for implementation in self._called(self._manager.hook.fitsense_event_emitted):
            # Each observer gets a copy, so that none can change the event for the others.
            arguments = {"source": source, "event": copy.deepcopy(event)}
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except KeyboardInterrupt:
                raise
            except BaseException:
                name = implementation.plugin_name
                self._observer_failures[name] = self._observer_failures.get(name, 0) + 1
                _LOGGER.exception("plugin %s failed to observe %s", name, event.type)

    @staticmethod
    def _called(hook: pluggy.HookCaller) -> Iterable[pluggy.HookImpl]:
        """A hook's implementations in the order in which pluggy calls them; it stores them the other way round."""
        return reversed(hook.get_hookimpls())

    def _load(self, candidate: Candidate, *, wanted: bool) -> None:
        blocked = [reason for name, reason in self._block.items() if candidate.is_called(name)]
        if blocked or not wanted:
            reason = blocked[0] if blocked else _NOT_ALLOWED
            self._reports.append(PluginReport(candidate.name, "disabled", reason, origin=candidate.origin))
            return
        try:
            plugin = candidate.entry_point.load()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            reason = f"importing {candidate.entry_point.value} failed: {described(error)}"
            self._reports.append(PluginReport(candidate.name, "broken", reason, origin=candidate.origin))
            return
        self._register(plugin, candidate.name, candidate.origin, candidate)

    def _refuse_unwanted(self, name: str, candidate: Candidate | None) -> None:
        """Raise for a plugin whose name is blocked, not allowed, or reserved; entry points were selected before."""
        if name in self._block:
            raise PluginRejectedError("disabled", self._block[name], name)
        if candidate is None and self._allow is not None and name not in self._allow:
            raise PluginRejectedError("disabled", _NOT_ALLOWED, name)
        if candidate is not None and not candidate.built_in and name in self._reserved:
            raise PluginRejectedError(
                "duplicate", f"the name {name} is that of a plugin that comes with fitsense; give it another", name
            )

    def _load_plugin(self, plugin: object, origin: str, candidate: Candidate | None) -> PluginReport:
        implementations = self._implementations(plugin)
        info = info_of(implementations)
        self._refuse_unwanted(info.name, candidate)
        if info.api_version != API_VERSION:
            raise PluginRejectedError(
                "incompatible",
                f"written for plugin API {info.api_version}, and this fitsense offers {API_VERSION}: "
                + ("update fitsense" if info.api_version > API_VERSION else "update the plugin"),
                info.name,
            )
        if self._manager.has_plugin(info.name):
            earlier = next(r for r in self._reports if r.name == info.name and r.status == "loaded")
            raise PluginRejectedError(
                "duplicate", f"a plugin of this name was already loaded from {earlier.origin}", info.name
            )
        offers = collect(implementations, info)
        notes = self._notes(implementations, offers)
        try:
            self._manager.register(plugin, info.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._manager.unregister(plugin)
            raise PluginRejectedError("broken", str(error)) from error
        for kind in attrs.fields(Contributions):
            getattr(self._contributions, kind.name).update(getattr(offers, kind.name))
        return PluginReport(
            name=info.name,
            status="loaded",
            version=info.version,
            summary=info.summary,
            origin=origin,
            provides={
                kind.name: tuple(getattr(offers, kind.name))
                for kind in attrs.fields(Contributions)
                if getattr(offers, kind.name)
            },
            deprecations=notes,
        )

    def _notes(self, implementations: Mapping[str, Callable[..., Any]], offers: Contributions) -> tuple[str, ...]:
        hooks = {name: deprecations.of_hook(getattr(self._hookspecs, name)) for name in implementations}
        notes = [deprecation.note(f"hook {name}") for name, deprecation in hooks.items() if deprecation]
        for kind in (
            offers.backbones,
            offers.heads,
            offers.fusions,
            offers.detectors,
            offers.pose_estimators,
            offers.sinks,
        ):
            for spec in kind.values():
                notes += deprecations.notes_on(spec)
        return tuple(notes)

    def _implementations(self, plugin: object) -> dict[str, Callable[..., Any]]:
        """The plugin's implementations by hook; what no hook would call is refused, with the nearest hook's name."""
        known = [name for name in vars(self._hookspecs) if name.startswith("fitsense_")]
        implementations: dict[str, Callable[..., Any]] = {}
        for name in dir(plugin):
            implementation = getattr(plugin, name)
            options = self._manager.parse_hookimpl_opts(plugin, name)
            if options is None:
                if name in known and inspect.isroutine(implementation):
                    raise PluginRejectedError("broken", f"{name} is not marked with fitsense.hookimpl")
                continue
            hook = options.get("specname") or name
            if hook not in known:
                if options.get("optionalhook"):
                    continue
                nearest = difflib.get_close_matches(hook, known, n=1)
                hint = f"; did you mean {nearest[0]}?" if nearest else f"; there are: {', '.join(known)}"
                raise PluginRejectedError("broken", f"there is no hook {hook}{hint}")
            if options.get("wrapper") or options.get("hookwrapper"):
                raise PluginRejectedError(
                    "broken",
                    f"hook {hook}: expected a plain implementation, got a wrapper, which fitsense does not run: it "
                    "calls each plugin alone, so that one that fails stops no other; leave out wrapper=True",
                )
            if hook in implementations:
                raise PluginRejectedError("broken", f"hook {hook}: expected one implementation, got several")
            _check_callable(hook, getattr(self._hookspecs, hook), implementation)
            implementations[hook] = implementation
        return implementations


def described(error: BaseException) -> str:
    """An error's type and message; plugins may raise errors that cannot be shown."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
