"""Modules of fitsense and its plugins have no means to execute code from files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(file for folder in ("fitsense", "plugins") for file in (ROOT / folder).rglob("*.py"))

# Reading what these wrote runs code.
MODULES = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "jsonpickle"}
BUILTINS = {"eval", "exec", "compile", "__import__"}
METHODS = {"read_pickle", "unsafe_load", "full_load", "load_module", "exec_module"}


def dangers(source: str) -> Iterator[str]:
    """The lines of a module that could execute what a file says, with why."""
    tree = ast.parse(source)
    # What a name stands for: `np` for numpy, `load` for torch.load.
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
                if alias.name.partition(".")[0] in MODULES:
                    yield f"{node.lineno}: import of {alias.name}"
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            if node.module.partition(".")[0] in MODULES:
                yield f"{node.lineno}: import of {node.module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _of_call(node, _dotted(node.func, names))


def _dotted(function: ast.expr, names: dict[str, str]) -> str:
    if isinstance(function, ast.Name):
        return names.get(function.id, function.id)
    if isinstance(function, ast.Attribute):
        return f"{_dotted(function.value, names)}.{function.attr}"
    return ""


def _of_call(call: ast.Call, name: str) -> Iterator[str]:
    stated = {keyword.arg: getattr(keyword.value, "value", "?") for keyword in call.keywords}
    method = name.rpartition(".")[2]
    if name.removeprefix("builtins.") in BUILTINS:
        yield f"{call.lineno}: {name}()"
    elif name == "importlib.import_module" and call.args and getattr(call.args[0], "value", "") in MODULES:
        yield f"{call.lineno}: import of {call.args[0].value}"  # type: ignore[attr-defined]
    elif name.startswith("torch.") and method == "load" and stated.get("weights_only") is not True:
        yield f"{call.lineno}: {name} without weights_only=True"
    elif method == "load_from_checkpoint" and stated.get("weights_only") is not True:
        yield f"{call.lineno}: {method} without weights_only=True"
    elif name.startswith("numpy.") and stated.get("allow_pickle", False) is not False:
        yield f"{call.lineno}: {name} with allow_pickle"
    elif name in ("numpy.load", "numpy.lib.format.read_array") and len(call.args) > 2:
        yield f"{call.lineno}: {name} with allow_pickle by its position"
    elif method in METHODS or name in ("yaml.load", "yaml.load_all"):
        yield f"{call.lineno}: {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_source_executes_no_data(file: Path) -> None:
    assert list(dangers(file.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from joblib import load",
        "def f():\n    import marshal",
        "import importlib\nimportlib.import_module('dill')",
        "__import__('pickle')",
        "eval('1')",
        "import builtins\nbuiltins.exec('1')",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import torch\ntorch.load('x', weights_only=flag)",
        "from torch import load as read\nread('x')",
        "import torch\ntorch.jit.load('x')",
        "import torch\ntorch.hub.load('x', 'y')",
        "Learner.load_from_checkpoint('x')",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "from numpy import load\nload('x', allow_pickle=flag)",
        "import numpy as np\nnp.load('x', None, True)",
        "import yaml\nyaml.load('x')",
        "import yaml\nyaml.unsafe_load('x')",
        "import pandas as pd\npd.read_pickle('x')",
    ],
)
def test_dangers_dangerous_code_is_found(source: str) -> None:
    assert list(dangers(source))


@pytest.mark.parametrize(
    "source",
    [
        "module.eval()",
        "import re\nre.compile('x')",
        "import torch\ntorch.load('x', weights_only=True)",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.save('x', y, allow_pickle=False)",
        "import yaml\nyaml.safe_load('x')",
        "import json\njson.load(file)",
    ],
)
def test_dangers_safe_code_is_accepted(source: str) -> None:
    assert list(dangers(source)) == []
