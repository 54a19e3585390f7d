"""The guide for contributors lists the packages that exist, and the files that it names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

GUIDE = Path("CONTRIBUTING.md").read_text("utf-8")


def test_contributing_table_lists_the_packages_in_layer_order() -> None:
    contracts = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["name"] == "Layers")
    level = {name: at for at, layer in enumerate(reversed(layers)) for name in layer.split(" | ")}
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", GUIDE, re.MULTILINE)
    listed = [re.findall(r"`(\w+)`", row) for row in rows]
    assert sorted(name for row in listed for name in row) == sorted(level)
    lowest = [min(level[name] for name in row) for row in listed]
    assert lowest == sorted(lowest)


def test_contributing_named_files_exist() -> None:
    missing = [
        name
        for name in re.findall(r"`([a-z_]+/(?:[a-z_]+\.py)?)`", GUIDE)
        if not (Path("fitsense", name).exists() or Path(name).exists())
    ]
    assert missing == []
