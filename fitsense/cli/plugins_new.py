"""``fitsense plugins new``: a package of one's own, from the one that comes with fitsense."""

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
"""What there is to copy, and nothing that building or testing leaves beside it."""

_OWN_NAMES = re.compile("fitsense[-_]template|template")
# A plugin's name, as far as a package can be called so: no hyphen at its end, and no two in a row.
_NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")


def _new_name(context: click.Context, parameter: click.Parameter, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            f"expected lower-case letters and digits, in words with hyphens between them, such as my-gym, got {name!r}"
        )
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
        distribution = entry_point.dist.name if entry_point.dist else entry_point.value
        raise click.BadParameter(f"expected one that is not taken, got {name!r}, which {distribution} has")
    return name


@click.command("new", short_help="Begin a plugin: a package with a backbone, a head, a fusion and tests.")
@click.argument("name", callback=_new_name)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for the package; new or empty. By default fitsense-NAME."
)
def command(name: str, out: Path | None) -> None:
    """Make fitsense-NAME, a package for a plugin that is called NAME.

    It works as it is: a backbone, a head, a fusion, tests, and a recipe to train them. Keep and change what you need.
    """
    package = f"fitsense-{name}"
    out = out or Path(package)
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInputError(f"{out}: expected a folder that is new or empty")
    copy(out, {"fitsense-template": package, "fitsense_template": package.replace("-", "_"), "template": name})
    folder = shlex.quote(str(out))
    click.echo(f"{folder} has a backbone, a head and a fusion. Its README.md says which file is what.\nnext:")
    for line in (
        f"pip install -e {shlex.quote(f'{out}[dev]')}",
        f"pytest {folder}",
        f"fitsense plugins check {name}",
    ):
        click.echo(f"  {line}")


def copy(out: Path, names: dict[str, str]) -> None:
    """Write the package that comes with fitsense into the folder `out`.

    :param names: what to call each of its own names instead.
    """

    def filled(text: str) -> str:
        return _OWN_NAMES.sub(lambda own: names[own[0]], text)

    with resources.as_file(resources.files("fitsense.examples") / "fitsense-template") as template:
        for file in sorted(file for pattern in FILES for file in template.glob(pattern)):
            copied = out / filled(file.relative_to(template).as_posix())
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_text(filled(file.read_text("utf-8")), "utf-8")
