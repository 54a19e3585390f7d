"""Lock of the public API: a file that every change of public names has to change, too.

``python -m tests.contracts.lock`` says what differs; ``--write`` records it, once the versions allow it; ``--write
--unreleased`` records it under unreleased versions.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, is_typeddict

import attrs
import cattrs

import fitsense
from fitsense import client, coach, nn, plugins
from fitsense.nn import landmarks, movement
from fitsense.plugins import _deprecation as deprecations
from fitsense.plugins import hookspecs, specs

FILE = Path(__file__).with_name("api.json")
COMMAND = "python -m tests.contracts.lock --write"

# What callables of plugins are given and give, beside the specs themselves.
_EXCHANGED = (
    "BodyDetection",
    "BodyRegion",
    "ClipSpec",
    "Detection",
    "Event",
    "LandmarkSet",
    "Pose",
    "Scores",
)
_REQUIRED = "required "
_STARS: Mapping[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_POSITIONS = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen
class Api:
    """Public API: a text for each hook, spec, class and function, by its name.

    :param hooks: hooks, their parameters, specs, their fields, and what plugins exchange with fitsense.
    :param names: all other public names, their parameters and members.
    :param deprecated: which of `hooks` are, and what is said of them.
    """

    fitsense: str
    api_version: int
    hooks: Mapping[str, str]
    names: Mapping[str, str]
    deprecated: Mapping[str, str]

    @classmethod
    def read(cls, file: Path = FILE) -> Api:
        return cattrs.structure(json.loads(file.read_text("utf-8")), cls)

    @classmethod
    def current(cls) -> Api:
        hooks: dict[str, str] = {}
        deprecated: dict[str, str] = {}
        for name, value in sorted(vars(hookspecs).items()):
            if name.startswith("fitsense_"):
                hooks |= _hook(name, value)
                if deprecation := deprecations.of_hook(value):
                    deprecated[name] = deprecation.note(name)
        for name, value in public().items():
            if name in _EXCHANGED or (inspect.isclass(value) and value.__module__.startswith(f"{specs.__name__}.")):
                hooks |= _class(name, value)
                for field, deprecation in deprecations.of_fields(value).items() if attrs.has(value) else ():
                    deprecated[f"{name}.{field}"] = deprecation.note(field)
        names: dict[str, str] = {}
        for name, value in public().items():
            if name not in hooks:
                names |= _public(name, value)
        return cls(fitsense.__version__, specs.API_VERSION, hooks, names, deprecated)

    def write(self, file: Path = FILE) -> None:
        file.write_text(json.dumps(attrs.asdict(self), indent=1, ensure_ascii=False) + "\n", "utf-8")


def public() -> dict[str, Any]:
    """Collect all public names, of users and of plugin authors."""
    names = {name: getattr(plugins, name) for name in plugins.__all__}
    names |= {name: getattr(fitsense, name) for name in fitsense.__all__}
    for module in (client, coach, nn, landmarks, movement):
        prefix = module.__name__.removeprefix("fitsense.")
        names |= {f"{prefix}.{name}": getattr(module, name) for name in module.__all__}
    return dict(sorted(names.items()))


def _hook(name: str, hook: Callable[..., Any]) -> dict[str, str]:
    signature = inspect.signature(hook)
    first = ", the first that is not None" if getattr(hook, "fitsense_spec", {}).get("firstresult") else ""
    # Implementations take those parameters that they want, by name: they have no position, and none is required.
    parameters = {f"{name}({p.name})": _annotation(p.annotation) for p in signature.parameters.values()}
    return {name: f"hook -> {_annotation(signature.return_annotation)}{first}", **parameters}


def _public(name: str, value: Any) -> dict[str, str]:
    if inspect.isclass(value):
        return _class(name, value)
    if inspect.isfunction(value):
        return _function(name, value)
    return {name: f"constant, {type(value).__name__}"}


def _function(name: str, function: Callable[..., Any], kind: str = "function") -> dict[str, str]:
    signature = inspect.signature(function)
    return {name: f"{kind} -> {_annotation(signature.return_annotation)}", **_parameters(name, signature)}


def _class(name: str, kind: type[Any]) -> dict[str, str]:
    entries = {name: "class"}
    shown = set(public().values())
    bases = [base for base in kind.__mro__[1:-1] if base in shown or not base.__module__.startswith("fitsense")]
    entries |= {f"{name} is a {base.__name__}": "" for base in bases}
    # Fields of attrs classes are their parameters, too, and stand there alone.
    fields = attrs.fields_dict(kind) if attrs.has(kind) else {}
    if fields or ("__init__" in vars(kind) and not getattr(kind, "_is_protocol", False)):
        signature = inspect.signature(kind)
        # As written: attrs drops the annotation of a field that is converted, and others resolve those of its fields.
        written = {
            name: text for base in reversed(kind.__mro__) for name, text in inspect.get_annotations(base).items()
        }
        typed = [
            p.replace(annotation=written[p.name]) if p.name in fields else p for p in signature.parameters.values()
        ]
        entries |= _parameters(name, signature.replace(parameters=typed))
    if is_typeddict(kind):
        # Keyword arguments that several functions share.
        entries |= {
            f"{name}({key})": getattr(text, "__forward_arg__", str(text))
            for key, text in inspect.get_annotations(kind).items()
        }
        return {entry: text for entry, text in entries.items() if " is a " not in entry}
    for member in sorted(set(dir(kind)) - set(fields)):
        value = inspect.getattr_static(kind, member)
        owner = next((base for base in kind.__mro__ if member in vars(base)), kind)
        if member.startswith("_") or owner.__module__.partition(".")[0] != "fitsense":
            continue
        path = f"{name}.{member}"
        if isinstance(value, property):
            returned = inspect.signature(value.fget).return_annotation if value.fget else None
            entries[path] = f"attribute, {_annotation(returned)}"
        elif isinstance(value, classmethod):
            entries |= _function(path, getattr(kind, member), "class method")
        elif isinstance(value, staticmethod):
            entries |= _function(path, value.__func__, "static method")
        elif inspect.isfunction(value):
            entries |= _function(path, value.__get__(object()), "method")
        else:
            entries[path] = f"constant, {type(value).__name__}"
    return entries


def _parameters(name: str, signature: inspect.Signature) -> dict[str, str]:
    entries = {}
    for position, parameter in enumerate(signature.parameters.values(), 1):
        place = f"{position}. " if parameter.kind in _POSITIONS else ""
        star = _STARS.get(parameter.kind, "")
        optional = bool(star) or parameter.default is not parameter.empty
        default = f" = {_default(parameter.default)}" if parameter.default is not parameter.empty else ""
        entries[f"{name}({star}{parameter.name})"] = (
            f"{'' if optional else _REQUIRED}{place}{_annotation(parameter.annotation)}{default}"
        )
    return entries


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__qualname__", str(annotation))


def _default(value: Any) -> str:
    """A text that is the same in every process."""
    if type(value) is type(attrs.NOTHING) or callable(value):
        # What attrs makes anew for each instance is NOTHING in its signatures.
        return getattr(value, "__qualname__", "made anew")
    return repr(value)


def breaking(locked: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """List incompatible changes, one line each."""
    lines = [f"removed: {name} ({text})" for name, text in locked.items() if name not in current]
    for name, text in current.items():
        if name in locked and locked[name] != text:
            lines.append(f"changed: {name}: was ({locked[name]}), is ({text})")
        elif name not in locked and _demanded(name, text, locked):
            lines.append(f"added and required: {name} ({text})")
    return lines


def added(locked: Mapping[str, str], current: Mapping[str, str]) -> list[str]:
    """Compatible additions, one per line."""
    return [
        f"added: {name} ({text})"
        for name, text in current.items()
        if name not in locked and not _demanded(name, text, locked)
    ]


def _demanded(name: str, text: str, locked: Mapping[str, str]) -> bool:
    """Tell whether a new entry is a required parameter of an existing callable."""
    return text.startswith(_REQUIRED) and name.partition("(")[0] in locked


def complaint(locked: Api, current: Api) -> str:
    """Describe the problem, the exact changes and the remedy; empty if there is no problem."""
    hooks, names = breaking(locked.hooks, current.hooks), breaking(locked.names, current.names)
    more = added(locked.hooks, current.hooks) + added(locked.names, current.names)
    hasty = [
        f"removed without notice: {name}"
        for name in locked.hooks
        if name not in current.hooks and _declarable(name, current) and not _announced(name, locked)
    ]
    steps = []
    if hooks and current.api_version <= locked.api_version:
        steps.append(
            f"Plugins that exist break: keep what they use, or raise API_VERSION in fitsense/plugins/specs/info.py to "
            f"{locked.api_version + 1}."
        )
    refused = current.api_version != locked.api_version
    if (hooks or names or refused) and _major(current.fitsense) <= _major(locked.fitsense):
        steps.append(
            f"Programs or plugins break: keep what they use, or raise fitsense's version, {locked.fitsense}, "
            f"to {_text(_next_major(locked.fitsense))}, in fitsense/__init__.py and pyproject.toml."
        )
    elif more and _numbers(current.fitsense) < _next_minor(locked.fitsense):
        steps.append(
            f"There is more to rely on: raise fitsense's version, {locked.fitsense}, at least to "
            f"{_text(_next_minor(locked.fitsense))}, in fitsense/__init__.py and pyproject.toml."
        )
    if hasty:
        steps.append(
            "Hooks and fields of specs are first deprecated, in a version that goes out "
            "(fitsense/plugins/_deprecation.py), and then removed."
        )
    if not steps:
        return ""
    return "\n".join([*hooks, *names, *more, *hasty, "", *steps, f"Then: {COMMAND}", _UNRELEASED])


_UNRELEASED = "If the version in tests/contracts/api.json was never released, add --unreleased instead."


def _declarable(name: str, current: Api) -> bool:
    """Tell whether a removed entry could have been deprecated first: a hook, or a field of a remaining class."""
    owner, _, part = name.partition("(")
    return (not part and owner.startswith("fitsense_")) or (bool(part) and current.hooks.get(owner) == "class")


def _announced(name: str, locked: Api) -> bool:
    return name.removesuffix(")").replace("(", ".") in locked.deprecated


def _numbers(version: str) -> tuple[int, ...]:
    # Of 1.2.3.dev4, the first three.
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _major(version: str) -> tuple[int, ...]:
    """Numbers that compatible versions share: before 1.0 the first two, then the first."""
    numbers = _numbers(version)
    return numbers[:1] if numbers[0] else numbers[:2]


def _next_major(version: str) -> tuple[int, ...]:
    numbers = _numbers(version)
    return (numbers[0] + 1, 0, 0) if numbers[0] else (0, numbers[1] + 1, 0)


def _next_minor(version: str) -> tuple[int, ...]:
    numbers = _numbers(version)
    return (numbers[0], numbers[1] + 1, 0) if numbers[0] else (0, numbers[1], numbers[2] + 1)


def _text(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


def main(arguments: list[str] | None = None, file: Path = FILE) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.lock", description=__doc__)
    parser.add_argument("--write", action="store_true", help="record what there is now")
    parser.add_argument("--unreleased", action="store_true", help="the recorded version never went out")
    given = parser.parse_args(arguments)
    if given.unreleased and not given.write:
        parser.error("--unreleased goes with --write")
    current = Api.current()
    if file.is_file():
        locked = Api.read(file)
        if not given.unreleased and (wrong := complaint(locked, current)):
            sys.stderr.write(wrong + "\n")
            return 1
        if current == locked:
            sys.stdout.write("nothing has changed\n")
            return 0
    if given.write:
        current.write(file)
        sys.stdout.write(f"{file.name} is as of fitsense {current.fitsense}, plugin API {current.api_version}\n")
        return 0
    sys.stdout.write(f"the versions allow what has changed; record it: {COMMAND}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
