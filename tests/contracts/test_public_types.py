"""Classes in public signatures are public themselves, so that programs can build, check and annotate them."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import attrs

import fitsense
from tests.contracts import lock
from tests.contracts.lock import Api


def owner(entry: str) -> Any:
    """The public class or function that an entry of the lock is about."""
    name = re.split(r"[.(]", entry)[0]
    return lock.public().get(name)


def named(value: Any, text: str) -> set[type[Any]]:
    """The classes of fitsense that an annotation names, also by an alias; as the module of `value` understands it."""
    found: set[type[Any]] = set()
    module = inspect.getmodule(value)
    names = re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'|\"[^\"]*\"", "", text.split(" = ")[0]))
    for name in names:
        kind = getattr(module, name, None) or imported_for_types(module, name)
        for one in (kind, *getattr(kind, "__args__", ())):
            if inspect.isclass(one) and one.__module__.startswith("fitsense."):
                found.add(one)
    return found


def imported_for_types(module: Any, name: str) -> Any:
    """Import the object that a module imports under ``TYPE_CHECKING`` by that name."""
    source = inspect.getsource(module) if module else ""
    match = re.search(rf"^    from (fitsense[\w.]*) import [^\n]*\b{name}\b", source, re.MULTILINE)
    return getattr(importlib.import_module(match[1]), name, None) if match else None


def test_public_signatures_use_public_classes() -> None:
    api = Api.current()
    public = {value for value in lock.public().values() if inspect.isclass(value)}
    missing: dict[str, str] = {}
    for entry, text in {**api.hooks, **api.names}.items():
        value = owner(entry)
        if value is None or text.startswith("constant") or " is a " in entry:
            continue
        for kind in named(value, text):
            if kind not in public:
                missing.setdefault(kind.__qualname__, f"{entry}: {text}")
    assert missing == {}


def test_public_signatures_private_class_is_found() -> None:
    assert named(fitsense.Session, "required 1. Model") == {fitsense.Model}
    assert named(fitsense.PendingFrame, "required 1. Sequence[Output]") >= {fitsense.Window, fitsense.Gap}
    assert named(fitsense.SourceGroup, "Unpack[AnalysisOptions]") == {fitsense.AnalysisOptions}
    assert attrs.has(fitsense.RepetitionConfig)
