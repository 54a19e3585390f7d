"""Misspelt options of the configuration classes of loaded plugins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs
import pytest

from fitsense.plugins._manager import PluginManager
from fitsense.plugins.specs import BackboneSpec
from fitsense.types import ClipSpec
from tests.helpers.plugin_modules import plugin, spec

CLIP = ClipSpec(4, 2.0, 8, 8)


@attrs.frozen
class SizedConfig:
    size: int = 8
    short_side: int = 8


@attrs.frozen(init=False)
class OpenConfig:
    size: int = 8

    def __init__(self, **options: Any) -> None:
        self.__attrs_init__(options.get("size", 8))


def test_config_of_loaded_plugin_explains_a_misspelt_option() -> None:
    def backbones() -> Iterable[BackboneSpec]:
        for name in ("a", "b"):
            yield spec(name, config=SizedConfig, clip=lambda config: CLIP)

    host = PluginManager()
    assert host.register(plugin("mine", fitsense_backbones=backbones)).status == "loaded"
    for name in ("a", "b"):
        with pytest.raises(TypeError) as error:
            host.backbone(f"mine/{name}").config(sise=64)
        assert str(error.value) == (
            "SizedConfig: expected arguments of size, short_side, got 'sise'; did you mean 'size'?"
        )
    assert host.backbone("mine/a").config(size=64) == SizedConfig(64)


def test_config_of_loaded_plugin_that_accepts_any_option_still_does() -> None:
    host = PluginManager()
    report = host.register(plugin(fitsense_backbones=lambda: [spec(config=OpenConfig, clip=lambda config: CLIP)]))
    assert report.status == "loaded"
    assert host.backbone("mine/net").config(sise=64, size=16).size == 16
