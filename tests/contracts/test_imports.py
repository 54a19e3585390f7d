"""The import contracts cover unlisted modules."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_contract_of_torch_covers_all_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    settings = project["tool"]["importlinter"]
    (contract,) = [one for one in settings["contracts"] if "torch" in one.get("forbidden_modules", ())]
    # Whole packages, so that a module of tomorrow is covered.
    assert set(contract["source_modules"]) == set(settings["root_packages"])
    assert not any(line.startswith(("fitsense.*", "fitsense.**")) for line in contract["ignore_imports"])
