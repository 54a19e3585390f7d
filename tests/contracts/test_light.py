"""Importing fitsense, and running a session, stays light."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fitsense

HEAVY = ("torch", "torchvision", "pytorchvideo", "sklearn", "onnx", "safetensors", "ray", "pyarrow", "fsspec", "nncf")


def modules_after(code: str) -> set[str]:
    """Top-level modules that a new process has imported after `code`."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_import_fitsense_loads_few_modules() -> None:
    loaded = modules_after("import fitsense")
    assert not loaded & {*HEAVY, "av", "openvino", "numpy", "jsonschema", "pluggy", "click", "rich", "PIL"}


def test_discover_loads_no_torch_and_no_av() -> None:
    loaded = modules_after("import fitsense; assert fitsense.PluginManager.discover().backbones()")
    assert {"fitsense_x3d", "fitsense_pose"} <= loaded
    assert not loaded & {*HEAVY, "av", "openvino"}


def test_session_default_bundle_loads_no_torch() -> None:
    code = (
        "import fitsense, numpy as np\n"
        "session = fitsense.Session(fitsense.load_model())\n"
        "for i in range(40): session.push(np.zeros((182, 182, 3), np.uint8), i / 10)\n"
        "assert session.finish()[-1].data.windows > 0"
    )
    loaded = modules_after(code)
    assert "openvino" in loaded
    assert not loaded & set(HEAVY)


@pytest.mark.parametrize("plugin", ["fitsense_x3d", "fitsense_slowfast", "fitsense_ensemble", "fitsense_heads"])
def test_import_plugin_loads_no_torch_and_no_av(plugin: str) -> None:
    assert not modules_after(f"import {plugin}") & {*HEAVY, "av"}


def test_public_names_match_type_checking_imports() -> None:
    import ast
    from pathlib import Path

    tree = ast.parse(Path(fitsense.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    nodes = [node for node in ast.walk(block) if isinstance(node, ast.ImportFrom) and node.module != "fitsense"]
    checked = [alias.name for node in nodes for alias in node.names]
    assert sorted(checked) == fitsense.__all__
    for name in checked:
        assert getattr(fitsense, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        fitsense.nope  # noqa: B018


def test_public_name_misspelt_suggests_similar_one() -> None:
    with pytest.raises(AttributeError, match="no attribute 'anaylze'; did you mean 'analyze'"):
        fitsense.anaylze  # noqa: B018


def test_missing_extra_is_named() -> None:
    """In a process where the packages of the extra cannot be imported."""
    script = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'sklearn', 'safetensors'): sys.modules[name] = None\n"
        "import fitsense\n"
        "try: fitsense.load_model(runtime='torch')\n"
        "except fitsense.MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'fitsense[torch]'" in done.stdout
