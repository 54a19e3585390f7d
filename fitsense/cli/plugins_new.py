"""``fitsense plugins new``: a plugin package from fitsense's template."""

from __future__ import annotations

import re
import shlex
from importlib import metadata, resources
from pathlib import Path

import click

from fitsense.errors import InvalidInputError
from fitsense.plugins._discovery import ENTRY_POINT_GROUP

FILES = (
    "README.md",
    "pyproject.toml",
    "recipe.json",
    "src/fitsense_template/*.py",
    "src/fitsense_template/py.typed",
    "tests/*.py",
)
"""Files of the template, without the leftovers of builds and tests."""

_OWN_NAMES = re.compile("fitsense[-_]template|template")
# A plugin's name that is valid in a package name too: no hyphen at the end, and no two in a row.
_NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")


def _new_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            f"expected lower-case letters and digits, in words with hyphens between them, such as my-gym, got {name!r}"
        )
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        distribution = entry_point.dist.name if entry_point.dist else entry_point.value
        raise click.BadParameter(f"expected a free name, got {name!r}, which {distribution} uses")
    return name


@click.command("new", short_help="Create a plugin package with a backbone, a task, a fusion, an event and tests.")
@click.argument("name", callback=_new_name)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the package; new or empty. By default fitsense-NAME."
)
def command(name: str, out: Path | None) -> None:
    """Create fitsense-NAME, a package for a plugin with the name NAME.

    It works unchanged: a backbone, a task, heads, a fusion, an event, tests, and a recipe to train them.
    """
    package = f"fitsense-{name}"
    out = out or Path(package)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInputError(f"{out}: expected a new or empty folder")
    copy(out, {"fitsense-template": package, "fitsense_template": package.replace("-", "_"), "template": name})
    folder = shlex.quote(str(out))
    click.echo(
        f"{folder} has a backbone, a task, heads, a fusion and an event. Its README.md explains the files.\nnext:"
    )
    for line in (
        f"pip install -e {shlex.quote(f'{out}[dev]')}",
        f"pytest {folder}",
        f"fitsense plugins check {name}",
    ):
        click.echo(f"  {line}")


def copy(out: Path, names: dict[str, str]) -> None:
    """Copy the template package into the folder `out`.

    :param names: replacements of the template's names.
    """

    def filled(text: str) -> str:
        return _OWN_NAMES.sub(lambda own: names[own[0]], text)

    with resources.as_file(resources.files("fitsense.examples") / "fitsense-template") as template:
        for file in sorted(file for pattern in FILES for file in template.glob(pattern)):
            copied = out / filled(file.relative_to(template).as_posix())
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(filled(file.read_text("utf-8")), "utf-8")
