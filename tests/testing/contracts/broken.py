"""Mutants of a plugin that obeys every law, and how they are judged."""

from __future__ import annotations

import types
from typing import Any

import fitsense
from fitsense.testing.runner import run, subclass


def plugin_of(
    *, backbones: Any = (), heads: Any = (), fusions: Any = (), detectors: Any = (), pose_estimators: Any = ()
) -> types.ModuleType:
    """A plugin with these specs."""
    plugin = types.ModuleType("mutants")
    info = fitsense.plugins.PluginInfo(name="mutants", version="1.0")
    offers = {
        "fitsense_plugin": lambda: info,
        "fitsense_backbones": lambda: backbones,
        "fitsense_heads": lambda: heads,
        "fitsense_fusions": lambda: fusions,
        "fitsense_detectors": lambda: detectors,
        "fitsense_pose_estimators": lambda: pose_estimators,
    }
    for name, offer in offers.items():
        setattr(plugin, name, fitsense.hookimpl(offer))
    return plugin


def broken_laws(contract: type, **fixtures: Any) -> set[str]:
    """The laws that are broken, by the names of their tests."""
    outcomes = run({"mutant": subclass(contract, **fixtures)})
    assert any(outcome.status == "held" for outcome in outcomes)
    broken = [outcome for outcome in outcomes if outcome.status == "broken"]
    assert all(outcome.message for outcome in broken)
    return {"test_" + outcome.law.partition(" (")[0].replace(" ", "_") for outcome in broken}


def laws(contract: type) -> set[str]:
    """The names of a contract's tests."""
    return {name for name in dir(contract) if name.startswith("test_")}
