"""Writing of a taught bundle: the same files, with one row more in the exercise heads."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fitsense._internal.tensor_file import read_tensors, write_tensors
from fitsense.bundles.bundle import Bundle, save
from fitsense.errors import BundleError, InvalidInputError
from fitsense.inference.model import Model
from fitsense.plugins._manager import PluginManager
from fitsense.teaching.graph import add_row
from fitsense.teaching.heads import PREFIX, TeachableHead
from fitsense.teaching.lesson import Learned

CARD = "README.md"

# Largest difference of a logit between the graph and the arrays, as a share of the largest logit.
_TOLERANCE = 2e-3


def check_folder(out: Path) -> None:
    """Check that a folder is new or empty.

    :raises InvalidInputError: it is not.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InvalidInputError(f"{out}: expected a new or empty folder")


@contextmanager
def unfinished(out: Path) -> Iterator[Path]:
    """Context manager: a folder that becomes `out` at the end; an interruption leaves `out` as it was."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".teaching-", dir=out.parent) as temporary:
        folder = Path(temporary) / "bundle"
        folder.mkdir()
        yield folder
        if out.exists():
            out.rmdir()
        folder.rename(out)


def write_bundle(folder: Path, bundle: Bundle, learned: Learned, card: str) -> Bundle:
    """Write the files of `bundle` with taught heads into an empty folder.

    :param card: appended to the model card.
    :raises BundleError: a graph is not one that fitsense exports.
    """
    for file in bundle.manifest.files:
        (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(bundle.path(file.path), folder / file.path)
    manifest = learned.manifest
    for branch in manifest.branches:
        if branch.name in learned.heads:
            graphs = [branch.graph, *([branch.stream.graph] if branch.stream else [])]
            _write_head(folder, branch.weights, graphs, learned.heads[branch.name], learned.position)
    assert manifest.teaching is not None
    learned.statistics.write(folder / manifest.teaching.file)
    place = folder / CARD
    place.write_text((place.read_text("utf-8") if place.is_file() else f"# {manifest.name}\n") + card, "utf-8")
    return save(folder, manifest)


def check_graphs(
    bundle: Bundle,
    plugins: PluginManager,
    heads: Mapping[str, TeachableHead],
    inputs: Mapping[str, NDArray[np.generic]],
) -> None:
    """Check that the graphs of a bundle compute what its heads do.

    :param heads: by branch.
    :param inputs: windows by branch, as :meth:`fitsense.Model.run` takes them.
    :raises BundleError: one does not.
    """
    outputs = Model(bundle, plugins=plugins, bf16=False).run(inputs)
    for branch, head in heads.items():
        expected = head.logits(outputs[branch]["features"])
        difference = np.abs(outputs[branch]["exercise"] - expected).max()
        if not difference <= _TOLERANCE * max(1.0, np.abs(expected).max()):
            raise BundleError(
                f"{bundle.manifest.name}: branch {branch}: expected the graph {head.branch.graph} to give the taught "
                f"logits, which differ by up to {difference:.3g}; teach the bundle before it was changed or quantised"
            )


def _write_head(folder: Path, weights: str, graphs: list[str], head: TeachableHead, position: int) -> None:
    """Replace a head's tensors in a file of weights, and the places of all of them in the graphs."""
    file = folder / weights
    tensors = read_tensors(file)
    changed = {f"{PREFIX}{name}": array for name, array in head.tensors.items()}
    grown = {name: position for name, array in changed.items() if array.shape != tensors[name].shape}
    write_tensors(file, {**tensors, **changed})
    for graph in graphs:
        (folder / graph).write_bytes(add_row((folder / graph).read_bytes(), file, grown))
