"""Type checkers find the types of an installed fitsense, whichever way it was installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from tests.helpers.doc_pages import ROOT, blocks
from tests.packaging.conftest import install, make_environment

TEMPLATE = ROOT / "docs/examples/fitsense-template"
TYPED_EVENTS = Path(__file__).with_name("typed_events.py")

WRONG = """\
import fitsense
import fitsense_x3d

session = fitsense.Session(fitsense.load_model(), hop=1)
session.push("a picture", 0.0)
reveal_type(session.finish())
"""

WRONG_MATCH = """\
import fitsense


def show(event: fitsense.Event) -> None:
    match event.data:
        case fitsense.ExerciseStarted(exercise=name):
            print(name + 1)
        case fitsense.ExerciseEnded() as ended:
            print(ended.no_such_field)
        case _:
            pass
"""


@attrs.frozen
class Environment:
    """A virtual environment with fitsense, and the folder that its code is in."""

    python: Path
    code: Path

    def mypy(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run mypy in a folder, on code that uses this environment."""
        command = [sys.executable, "-m", "mypy", "--python-executable", str(self.python)]
        variables = {name: value for name, value in os.environ.items() if name not in ("MYPYPATH", "PYTHONPATH")}
        return subprocess.run(
            [*command, f"--cache-dir={self.python.parents[1] / 'mypy'}", *arguments],
            cwd=folder, env=variables, capture_output=True, text=True,
        )  # fmt: skip

    def pyright(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pyright, as basedpyright packages it with its Node.js: the package of its own name downloads both."""
        pytest.importorskip("basedpyright", reason="basedpyright is not installed")
        command = [sys.executable, "-m", "basedpyright", "--pythonpath", str(self.python), "--level", "error"]
        return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module", params=["editable", "built"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp(request.param)
    python = make_environment(folder)
    if request.param == "editable":
        code = request.getfixturevalue("source")
        install(python, "-e", str(code))
    else:
        code = folder
        install(python, str(request.getfixturevalue("wheel")))
    return Environment(python, code)


@pytest.mark.slow
def test_install_from_another_folder_imports_every_package(environment: Environment, tmp_path: Path) -> None:
    program = "import fitsense, fitsense_x3d, fitsense.examples, fitsense.schemas as s; print(fitsense_x3d.__file__)"
    done = subprocess.run([environment.python, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(environment.code)


@pytest.mark.slow
def test_mypy_readme_program_passes_strictly(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(blocks("README.md", "python")[0], "utf-8")
    done = environment.mypy(tmp_path, "--strict", "program.py")
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_mypy_wrong_program_fails_by_fitsenses_types(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG, "utf-8")
    done = environment.mypy(tmp_path, "--strict", "wrong.py")
    assert done.returncode == 1
    assert "import-" not in done.stdout, done.stdout
    assert 'wrong.py:4: error: Unexpected keyword argument "hop" for "Session"' in done.stdout
    assert 'wrong.py:5: error: Argument 1 to "push" of "Session" has incompatible type "str"' in done.stdout
    assert "fitsense.events.model.Event" in done.stdout


@pytest.mark.slow
def test_mypy_matched_event_data_is_narrowed(environment: Environment, tmp_path: Path) -> None:
    shutil.copy(TYPED_EVENTS, tmp_path / "program.py")
    (tmp_path / "wrong.py").write_text(WRONG_MATCH, "utf-8")
    done = environment.mypy(tmp_path, "--strict", "program.py")
    assert done.returncode == 0, done.stdout
    wrong = environment.mypy(tmp_path, "--strict", "wrong.py")
    assert 'wrong.py:7: error: Unsupported operand types for + ("str" and "int")' in wrong.stdout
    assert 'wrong.py:9: error: "ExerciseEnded" has no attribute "no_such_field"' in wrong.stdout


@pytest.mark.slow
def test_pyright_matched_event_data_is_narrowed(environment: Environment, tmp_path: Path) -> None:
    shutil.copy(TYPED_EVENTS, tmp_path / "program.py")
    (tmp_path / "readme.py").write_text("# pyright: strict\n" + blocks("README.md", "python")[0], "utf-8")
    (tmp_path / "wrong.py").write_text("# pyright: strict\n" + WRONG_MATCH, "utf-8")
    done = environment.pyright(tmp_path, "program.py", "readme.py")
    assert done.returncode == 0, done.stdout
    wrong = environment.pyright(tmp_path, "wrong.py")
    assert 'Operator "+" not supported for types "str"' in wrong.stdout
    assert 'Cannot access attribute "no_such_field" for class "ExerciseEnded"' in wrong.stdout


@pytest.mark.slow
def test_mypy_plugin_template_passes_by_its_own_settings(environment: Environment, tmp_path: Path) -> None:
    package = shutil.copytree(TEMPLATE, tmp_path / "template")
    done = environment.mypy(package)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_pyright_plugin_template_passes(environment: Environment, tmp_path: Path) -> None:
    package = shutil.copytree(TEMPLATE, tmp_path / "template")
    done = environment.pyright(package, "src")
    assert done.returncode == 0, done.stdout
