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
import re
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pluggy

from fitsense.errors import AmbiguousNameError, InvalidInputError, PluginError, SchemaError, UnknownNameError
from fitsense.plugins import _deprecation as deprecations
from fitsense.plugins import hookspecs
from fitsense.plugins._discovery import Candidate, allowed, installed
from fitsense.plugins.specs import (
    API_VERSION,
    BackboneSpec,
    DerivedHeadSpec,
    DetectorSpec,
    EventSchema,
    FusionSpec,
    HeadSpec,
    PluginInfo,
    SinkSpec,
    WeightsRef,
)
from fitsense.types import ClipSpec

if TYPE_CHECKING:
    from fitsense.events.model import Event

BLOCK_VARIABLE = "FITSENSE_PLUGINS_BLOCK"
"""The environment variable that lists, with commas, what :meth:`Plugins.discover` is not to load."""

_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9-]*")
_SPEC_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_LOGGER = logging.getLogger("fitsense.plugins")
_NOT_ALLOWED = "not among those that the program allows"
# Their results are not iterated, so that the body of a generator would never run.
_NOT_ITERATED = ("fitsense_plugin", "fitsense_resolve_weights", "fitsense_event_emitted")

Status = Literal["loaded", "incompatible", "duplicate", "broken", "disabled"]


@attrs.frozen
class PluginReport:
    """What became of one plugin.

    :param name: its own name where it could be asked, else its entry point's.
    :param status: ``loaded``, or why not.
    :param reason: what was wrong and what to do; empty when loaded.
    :param origin: the distribution and version that it came from, or ``registered``.
    :param offers: full names of what it offers, by kind.
    :param notes: what it uses that is deprecated, since when, until when, and what to use instead.
    """

    name: str
    status: Status
    reason: str = ""
    version: str = ""
    summary: str = ""
    origin: str = ""
    offers: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()


class _RejectedError(Exception):
    """A plugin cannot be taken; carries the status that its report gets."""

    def __init__(self, status: Status, reason: str, name: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.name = name


@attrs.define
class _Offers:
    backbones: dict[str, BackboneSpec] = attrs.field(factory=dict)
    heads: dict[str, HeadSpec | DerivedHeadSpec] = attrs.field(factory=dict)
    fusions: dict[str, FusionSpec] = attrs.field(factory=dict)
    detectors: dict[str, DetectorSpec] = attrs.field(factory=dict)
    sinks: dict[str, SinkSpec] = attrs.field(factory=dict)
    event_schemas: dict[str, EventSchema] = attrs.field(factory=dict)


class Plugins:
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
        self._offers = _Offers()
        self._reports: list[PluginReport] = []
        self._observer_failures: dict[str, int] = {}

    @classmethod
    def discover(cls, block: Collection[str] = (), *, allow: Collection[str] | None = None) -> Plugins:
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
            report = self._admit(plugin, origin, candidate)
        except _RejectedError as rejection:
            report = PluginReport(rejection.name or fallback, rejection.status, str(rejection), origin=origin)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A plugin's code may raise anything, SystemExit included; the host stays up.
            report = PluginReport(fallback, "broken", described(error), origin=origin)
        for note in report.notes:
            _LOGGER.warning("plugin %s: %s", report.name, note)
        self._reports.append(report)
        return report

    def backbones(self) -> Mapping[str, BackboneSpec]:
        """Every backbone, by ``plugin/name``."""
        return dict(self._offers.backbones)

    def heads(self) -> Mapping[str, HeadSpec | DerivedHeadSpec]:
        """Every head, by ``plugin/name``."""
        return dict(self._offers.heads)

    def fusions(self) -> Mapping[str, FusionSpec]:
        """Every fusion, by ``plugin/name``."""
        return dict(self._offers.fusions)

    def detectors(self) -> Mapping[str, DetectorSpec]:
        """Every detector, by ``plugin/name``."""
        return dict(self._offers.detectors)

    def sinks(self) -> Mapping[str, SinkSpec]:
        """Every sink, by ``plugin/name``."""
        return dict(self._offers.sinks)

    def event_schemas(self) -> Mapping[str, EventSchema]:
        """Every plugin's event schemas, by event type."""
        return dict(self._offers.event_schemas)

    def backbone(self, name: str) -> BackboneSpec:
        """The backbone called `name`, in full (``x3d/s``) or, where only one has it, in short (``s``)."""
        return self._offers.backbones[self.full_name("backbone", name)]

    def head(self, name: str) -> HeadSpec | DerivedHeadSpec:
        """The head called `name`, in full or, where only one has it, in short."""
        return self._offers.heads[self.full_name("head", name)]

    def fusion(self, name: str) -> FusionSpec:
        """The fusion called `name`, in full or, where only one has it, in short."""
        return self._offers.fusions[self.full_name("fusion", name)]

    def detector(self, name: str) -> DetectorSpec:
        """The detector called `name`, in full or, where only one has it, in short."""
        return self._offers.detectors[self.full_name("detector", name)]

    def sink(self, name: str) -> SinkSpec:
        """The sink called `name`, in full or, where only one has it, in short."""
        return self._offers.sinks[self.full_name("sink", name)]

    def full_name(self, kind: Literal["backbone", "head", "fusion", "detector", "sink"], name: str) -> str:
        """``plugin/name`` of a `kind`'s full or short name.

        :raises UnknownNameError: nobody offers it; the message lists what there is, and plugins that failed.
        :raises AmbiguousNameError: several plugins offer that short name; the message lists them.
        """
        by_kind: Mapping[str, Mapping[str, object]] = {
            "backbone": self._offers.backbones,
            "head": self._offers.heads,
            "fusion": self._offers.fusions,
            "detector": self._offers.detectors,
            "sink": self._offers.sinks,
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

    def event_emitted(self, session: str, event: Event) -> None:
        """Notify every observer of an event, in pluggy's order; what one raises is logged and counted, and stops no
        other.
        """
        for implementation in self._called(self._manager.hook.fitsense_event_emitted):
            # Each observer gets a copy, so that none can change the event for the others.
            arguments = {"session": session, "event": copy.deepcopy(event)}
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
            raise _RejectedError("disabled", self._block[name], name)
        if candidate is None and self._allow is not None and name not in self._allow:
            raise _RejectedError("disabled", _NOT_ALLOWED, name)
        if candidate is not None and not candidate.built_in and name in self._reserved:
            raise _RejectedError(
                "duplicate", f"the name {name} is that of a plugin that comes with fitsense; give it another", name
            )

    def _admit(self, plugin: object, origin: str, candidate: Candidate | None) -> PluginReport:
        implementations = self._implementations(plugin)
        info = _info(implementations)
        self._refuse_unwanted(info.name, candidate)
        if info.api_version != API_VERSION:
            raise _RejectedError(
                "incompatible",
                f"written for plugin API {info.api_version}, and this fitsense offers {API_VERSION}: "
                + ("update fitsense" if info.api_version > API_VERSION else "update the plugin"),
                info.name,
            )
        if self._manager.has_plugin(info.name):
            earlier = next(r for r in self._reports if r.name == info.name and r.status == "loaded")
            raise _RejectedError(
                "duplicate", f"a plugin of this name was already loaded from {earlier.origin}", info.name
            )
        offers = _collect(implementations, info)
        notes = self._notes(implementations, offers)
        try:
            self._manager.register(plugin, info.name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            self._manager.unregister(plugin)
            raise _RejectedError("broken", str(error)) from error
        for kind in attrs.fields(_Offers):
            getattr(self._offers, kind.name).update(getattr(offers, kind.name))
        return PluginReport(
            name=info.name,
            status="loaded",
            version=info.version,
            summary=info.summary,
            origin=origin,
            offers={
                kind.name: tuple(getattr(offers, kind.name))
                for kind in attrs.fields(_Offers)
                if getattr(offers, kind.name)
            },
            notes=notes,
        )

    def _notes(self, implementations: Mapping[str, Callable[..., Any]], offers: _Offers) -> tuple[str, ...]:
        hooks = {name: deprecations.of_hook(getattr(self._hookspecs, name)) for name in implementations}
        notes = [deprecation.note(f"hook {name}") for name, deprecation in hooks.items() if deprecation]
        for kind in (offers.backbones, offers.heads, offers.fusions, offers.detectors, offers.sinks):
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
                    raise _RejectedError("broken", f"{name} is not marked with fitsense.hookimpl")
                continue
            hook = options.get("specname") or name
            if hook not in known:
                if options.get("optionalhook"):
                    continue
                nearest = difflib.get_close_matches(hook, known, n=1)
                hint = f"; did you mean {nearest[0]}?" if nearest else f"; there are: {', '.join(known)}"
                raise _RejectedError("broken", f"there is no hook {hook}{hint}")
            if options.get("wrapper") or options.get("hookwrapper"):
                raise _RejectedError(
                    "broken",
                    f"hook {hook}: expected a plain implementation, got a wrapper, which fitsense does not run: it "
                    "calls each plugin alone, so that one that fails stops no other; leave out wrapper=True",
                )
            if hook in implementations:
                raise _RejectedError("broken", f"hook {hook}: expected one implementation, got several")
            _check_callable(hook, getattr(self._hookspecs, hook), implementation)
            implementations[hook] = implementation
        return implementations


def _check_callable(hook: str, specification: Callable[..., Any], implementation: Any) -> None:
    """Refuse an implementation that the host could call, but that would fail or not run."""
    expected = list(inspect.signature(specification).parameters)
    actual = inspect.signature(implementation).parameters
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not set(actual) <= set(expected) or any(p.kind not in positional for p in actual.values()):
        asked = ", ".join(str(p.replace(annotation=p.empty)) for p in actual.values())
        raise _RejectedError(
            "broken", f"hook {hook} takes ({', '.join(expected)}), and the implementation asks for ({asked})"
        )
    if inspect.iscoroutinefunction(implementation) or inspect.isasyncgenfunction(implementation):
        raise _RejectedError("broken", f"hook {hook}: expected a plain function, got an async one, which never runs")
    if hook in _NOT_ITERATED and inspect.isgeneratorfunction(implementation):
        raise _RejectedError("broken", f"hook {hook}: expected a plain function, got a generator, which never runs")


def described(error: BaseException) -> str:
    """An error's type and message; plugins may raise errors that cannot be shown."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _info(implementations: Mapping[str, Callable[..., Any]]) -> PluginInfo:
    if "fitsense_plugin" not in implementations:
        raise _RejectedError("broken", "it has no hook fitsense_plugin, marked with fitsense.hookimpl")
    info = implementations["fitsense_plugin"]()
    if not isinstance(info, PluginInfo):
        raise _RejectedError("broken", f"fitsense_plugin: expected a PluginInfo, got {type(info).__name__}")
    if not _PLUGIN_NAME.fullmatch(info.name):
        raise _RejectedError("broken", f"plugin name {info.name!r}: expected lower-case letters, digits and hyphens")
    return info


def _collect(implementations: Mapping[str, Callable[..., Any]], info: PluginInfo) -> _Offers:
    """Ask a plugin for its specs, and check each."""

    def offered(hook: str) -> Iterable[Any]:
        return implementations[hook]() if hook in implementations else ()

    def named(hook: str, kinds: tuple[type, ...], check: Callable[[Any], object]) -> dict[str, Any]:
        specs: dict[str, Any] = {}
        for spec in offered(hook):
            if type(spec) not in kinds:
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise PluginError(f"{hook}: expected {expected}, got {type(spec).__name__}")
            if not _SPEC_NAME.fullmatch(spec.name):
                raise PluginError(f"{hook}: name {spec.name!r}: expected lower-case letters, digits, - and _")
            full = f"{info.name}/{spec.name}"
            if full in specs:
                raise PluginError(f"{hook}: {full} is offered twice")
            try:
                check(spec)
            except Exception as error:
                raise PluginError(f"{full}: {error}") from error
            specs[full] = spec
        return specs

    event_schemas: dict[str, EventSchema] = {}
    for schema in offered("fitsense_event_schemas"):
        if not isinstance(schema, EventSchema):
            raise PluginError(f"fitsense_event_schemas: expected an EventSchema, got {type(schema).__name__}")
        _check_event_schema(schema, info)
        event_schemas[schema.type] = schema
    return _Offers(
        backbones=named("fitsense_backbones", (BackboneSpec,), _check_backbone),
        heads=named("fitsense_heads", (HeadSpec, DerivedHeadSpec), _check_head),
        fusions=named("fitsense_fusions", (FusionSpec,), _check_config),
        detectors=named("fitsense_detectors", (DetectorSpec,), _check_detector),
        sinks=named("fitsense_sinks", (SinkSpec,), _check_sink),
        event_schemas=event_schemas,
    )


def _check_config(spec: Any) -> Any:
    """An instance of the spec's config with its defaults."""
    if not attrs.has(spec.config):
        raise PluginError(f"config: expected an attrs class, got {spec.config!r}")
    without = [field.name for field in attrs.fields(spec.config) if field.default is attrs.NOTHING]
    if without:
        raise PluginError(f"config: every field needs a default; {', '.join(without)} has none")
    return spec.config()


def _check_backbone(spec: BackboneSpec) -> None:
    config = _check_config(spec)
    clip = spec.clip(config)
    if not isinstance(clip, ClipSpec):
        raise PluginError(f"clip: expected a ClipSpec, got {type(clip).__name__}")
    dim = spec.feature_dim(config)
    if not isinstance(dim, int) or dim < 1:
        raise PluginError(f"feature_dim: expected a whole number above 0, got {dim!r}")
    if spec.build is None:
        _check_observed(spec, config, dim)
    if spec.streaming is not None:
        _check_streaming(spec, config)
    _check_files("weights", spec.weights)


def _check_observed(spec: BackboneSpec, config: Any, dim: int) -> None:
    """Without a network, the observation has to be the features, and nothing may speak of a network."""
    if spec.observation is None:
        raise PluginError("build: expected a function that builds a torch module, or an observation, got neither")
    if (shape := tuple(spec.observation.shape(config))) != (dim,):
        raise PluginError(
            f"observation: expected the features' shape, {(dim,)}, since nothing is built on it, got {shape}"
        )
    about = [name for name in ("layers", "pretrained", "weights") if getattr(spec, name)]
    if about:
        raise PluginError(f"{', '.join(about)}: expected nothing, since there is no network that is built")


def _check_streaming(spec: BackboneSpec, config: Any) -> None:
    """What streams is a network on pictures, whose clips end with features."""
    assert spec.streaming is not None
    if spec.build is None or spec.observation is not None:
        raise PluginError("streaming: expected a network on pictures, got a backbone that looks at observations")
    least = {"receptive_field": 1, "delay": 0, "stride": 1}
    counts = {name: getattr(spec.streaming, name)(config) for name in least}
    for name, count in counts.items():
        if not isinstance(count, int) or count < least[name]:
            raise PluginError(f"streaming: {name}: expected a whole number from {least[name]} on, got {count!r}")
    frames = spec.clip(config).frames
    if frames <= counts["delay"] or (frames - 1 - counts["delay"]) % counts["stride"]:
        raise PluginError(
            f"streaming: expected features after the last of a clip's {frames} frames, got a delay of "
            f"{counts['delay']} and a stride of {counts['stride']}"
        )


def _check_detector(spec: DetectorSpec) -> None:
    _check_config(spec)
    _check_files("assets", spec.assets)
    if spec.assets and not spec.assets_name:
        raise PluginError("assets_name: expected what `fitsense models pull` is to call its assets, got nothing")


def _check_sink(spec: SinkSpec) -> None:
    batch = spec.batch(_check_config(spec))
    if not isinstance(batch, int) or batch < 1:
        raise PluginError(f"batch: expected a whole number above 0, got {batch!r}")


def _check_files(what: str, refs: Mapping[str, WeightsRef]) -> None:
    for name, ref in refs.items():
        if ref.sha256 is not None and not re.fullmatch(r"[0-9a-f]{64}", ref.sha256):
            raise PluginError(f"{what} {name}: expected a sha256 of 64 hexadecimal digits, got {ref.sha256!r}")


def _check_head(spec: HeadSpec | DerivedHeadSpec) -> None:
    _check_config(spec)
    for name in ("task", "from_task") if isinstance(spec, DerivedHeadSpec) else ("task",):
        if getattr(spec, name) not in ("exercise", "muscles"):
            raise PluginError(f"{name}: expected exercise or muscles, got {getattr(spec, name)!r}")
    if isinstance(spec, HeadSpec):
        losses = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
        if losses.get(spec.activation) != spec.loss:
            raise PluginError(
                f"activation {spec.activation!r} and loss {spec.loss!r} do not go together; expected one of "
                + ", ".join(f"{activation} with {loss}" for activation, loss in losses.items())
            )


def _check_event_schema(schema: EventSchema, info: PluginInfo) -> None:
    from fitsense.events.schema import check_schema

    if not schema.type.startswith(f"{info.name}."):
        raise PluginError(f"event type {schema.type!r}: expected it to start with {info.name}.")
    namespace = f"urn:fitsense:plugin:{info.name}:"
    if not str(schema.schema.get("$id", "")).startswith(namespace):
        raise PluginError(f"event schema of {schema.type}: expected an $id that starts with {namespace}")
    try:
        check_schema(schema.schema)
    except SchemaError as error:
        raise PluginError(f"event schema of {schema.type}: {error}") from error
