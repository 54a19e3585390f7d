"""Teaching of one exercise: from clips to a bundle that knows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs
import numpy as np

from fitsense._internal.progress import ProgressBar, silent
from fitsense._internal.suggestions import suggestion
from fitsense.bundles.bundle import DEFAULT, Bundle
from fitsense.bundles.first_use import bundle_in_use
from fitsense.bundles.manifest import Manifest, TaughtEntry
from fitsense.bundles.teaching import TeachingStatistics
from fitsense.catalogue import IDLE, UNKNOWN, load_catalogue
from fitsense.data.manifest import Skipped
from fitsense.errors import BundleError, InvalidInputError
from fitsense.inference.model import Model
from fitsense.plugins._manager import PluginManager
from fitsense.teaching.bundle import check_folder, check_graphs, unfinished, write_bundle
from fitsense.teaching.card import card_of
from fitsense.teaching.examples import Examples, read_examples
from fitsense.teaching.heads import teachable_heads
from fitsense.teaching.lesson import Lesson, learn

FEW = 3
"""Number of clips below which the result is unreliable."""

_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
# Activation from which a muscle group counts as worked, when the bundle predicts it.
_WORKED = 0.5


@attrs.frozen
class Teaching:
    """Result of :func:`teach`.

    :param bundle: the new bundle.
    :param exercise: what was taught, with its muscles and the number of clips.
    :param skipped: clips that could not be used, with the reason.
    :param warnings: what makes the result unreliable; empty for nothing.
    :param recognised: share of the windows of taught clips that get the right name from a row that was taught from
        the other clips alone; None for one clip.
    :param taken: share of the rehearsal, windows of other exercises, that gets the new name instead of the right one.
    """

    bundle: Bundle
    exercise: TaughtEntry
    skipped: tuple[Skipped, ...]
    warnings: tuple[str, ...]
    recognised: float | None
    taken: float


def teach(
    exercise: str,
    clips: Sequence[str | Path],
    out: str | Path,
    *,
    bundle: str | Path = DEFAULT,
    muscles: Sequence[str] = (),
    name: str = "",
    plugins: PluginManager | None = None,
    threads: int | None = None,
    track: ProgressBar = silent,
) -> Teaching:
    """Teach a bundle one more exercise, from a few clips of it: 3 to 20, best of different people and places.

    Networks do not change. Each exercise head gets one more row, in closed form, from the features of the clips and the
    statistics of the training clips that the bundle ships; thresholds are fitted again. torch is not needed. Of each
    clip, the first minute counts.

    :param exercise: the new label, such as ``wall_ball``.
    :param clips: video files, each of nothing but the exercise.
    :param out: folder for the new bundle; new or empty. It is written last and at once.
    :param bundle: bundle to teach, which does not change: the name of an included one, a folder or a zip. A taught one
        can be taught further exercises.
    :param muscles: ids of the muscle groups that the exercise works, of the bundle's; by default those of the
        catalogue, or else those that the bundle predicts from the clips.
    :param name: name of the exercise for people; by default made from the label.
    :param plugins: None for the installed ones.
    :param threads: CPU threads; None for all cores.
    :param track: progress bar; by default none is shown.
    :raises BundleError: the bundle cannot be taught.
    :raises InvalidInputError: the exercise, the muscles or the folder is not usable, or no clip is.
    :raises WeightsError: files of others that the bundle needs are missing.
    """
    out = Path(out)
    check_folder(out)
    plugins = plugins or PluginManager.discover()
    used = bundle_in_use(bundle, plugins)
    if used.notice:
        raise BundleError(used.notice)
    source = used.bundle
    heads = teachable_heads(source, plugins)
    assert source.manifest.teaching is not None
    statistics = TeachingStatistics.read(source.path(source.manifest.teaching.file))
    _check_label(exercise, source.manifest)
    _check_muscles(muscles, source.manifest)
    # Features in float32, so that they do not depend on this CPU.
    model = Model(source, plugins=plugins, threads=threads, bf16=False)
    examples = read_examples(model, [Path(clip) for clip in clips], track)
    chosen, predicted = _muscles_of(exercise, muscles, model, examples)
    entry = TaughtEntry(exercise, name or _words(exercise), chosen, predicted, len(np.unique(examples.clips)))
    features = {branch: examples.outputs[branch]["features"] for branch in heads}
    learned = learn(Lesson(source.manifest, heads, statistics), entry, examples.clips, features, plugins)
    manifest = attrs.evolve(
        learned.manifest,
        name=_bundle_name(out, source.manifest),
        version=source.manifest.version if source.manifest.taught else f"{source.manifest.version}+taught",
    )
    warnings = _warnings(entry, learned.recognised)
    with unfinished(out) as folder:
        card = card_of(entry, source.manifest, manifest, learned.recognised, learned.taken, warnings)
        made = write_bundle(folder, source, attrs.evolve(learned, manifest=manifest), card)
        check_graphs(made, plugins, learned.heads, examples.inputs)
    return Teaching(
        Bundle.load(out), entry, tuple(examples.skipped), tuple(warnings), learned.recognised, learned.taken
    )


def _check_label(exercise: str, manifest: Manifest) -> None:
    """Check that a label is a new one.

    :raises InvalidInputError: it is not.
    """
    labels = manifest.labels.exercise
    if not _LABEL.fullmatch(exercise):
        plain = re.sub(r"[^a-z0-9]+", "_", exercise.lower()).strip("_")
        hint = f"; did you mean {plain}?" if _LABEL.fullmatch(plain) else ""
        raise InvalidInputError(f"exercise: expected lower-case letters, digits and _, got {exercise!r}{hint}")
    if any(one.exercise == exercise for one in manifest.taught):
        raise InvalidInputError(
            f"exercise: {manifest.name} was taught {exercise} already; to use further clips, teach it from all clips "
            "together, on the bundle as it was before"
        )
    if exercise in labels or exercise in (IDLE, UNKNOWN):
        raise InvalidInputError(
            f"exercise: expected one that {manifest.name} does not know, got {exercise}; choose another name for a "
            f"variant, such as my_{exercise}"
        )


def _check_muscles(muscles: Sequence[str], manifest: Manifest) -> None:
    known = manifest.labels.muscles
    for muscle in muscles:
        if muscle not in known:
            raise InvalidInputError(
                f"muscles: expected muscle groups that {manifest.name} scores ({', '.join(known)}), got {muscle!r}"
                f"{suggestion(muscle, known)}"
            )


def _muscles_of(
    exercise: str, muscles: Sequence[str], model: Model, examples: Examples
) -> tuple[tuple[str, ...], bool]:
    """Muscle groups of the exercise in the bundle's order, and whether they are predicted from the clips."""
    labels = model.labels.muscles
    known = load_catalogue().exercises.get(exercise)
    stated = muscles or (known.muscles if known else ())
    if stated:
        return tuple(muscle for muscle in labels if muscle in stated), False
    activation = model.fuse(examples.outputs)["muscles"].probabilities.mean(axis=0)
    worked = activation >= min(_WORKED, activation.max())
    return tuple(muscle for muscle, yes in zip(labels, worked.tolist(), strict=True) if yes), True


def _bundle_name(out: Path, manifest: Manifest) -> str:
    """The folder's name, where a bundle may be called so."""
    name = out.resolve().name.lower()
    return name if _NAME.fullmatch(name) else manifest.name


def _words(exercise: str) -> str:
    return exercise.replace("_", " ").capitalize()


def _warnings(entry: TaughtEntry, recognised: float | None) -> list[str]:
    warnings = []
    if entry.clips < FEW:
        warnings.append(
            f"{entry.clips} {'clip was' if entry.clips == 1 else 'clips were'} used: expect little; {FEW} are the "
            "least, and 5 to 10 of different people and places are better"
        )
    elif recognised is not None and recognised < _WORKED:
        warnings.append(
            f"only {recognised:.0%} of the windows are recognised by what the other clips teach: the clips may differ "
            "much, or resemble an exercise that the bundle knows; add clips"
        )
    if entry.muscles_predicted:
        warnings.append(
            f"muscles were predicted from the clips: {', '.join(entry.muscles)}; state them if you know them"
        )
    return warnings
