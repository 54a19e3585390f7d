"""Section of a model card on an exercise that was taught."""

from __future__ import annotations

from collections.abc import Sequence

from fitsense.bundles.manifest import Manifest, TaughtEntry


def card_of(
    entry: TaughtEntry,
    before: Manifest,
    after: Manifest,
    recognised: float | None,
    taken: float,
    warnings: Sequence[str],
) -> str:
    """Section of the model card, Markdown.

    :param recognised: as for :class:`fitsense.teaching.run.Teaching`.
    :param taken: likewise.
    """
    source = "predicted from the clips" if entry.muscles_predicted else "stated"
    own = (
        f"{recognised:.0%} of the windows of these clips get the name from a row that was taught from the other clips"
        if recognised is not None
        else "With one clip, nothing says how well it is recognised"
    )
    thresholds = f"{before.calibration.enter:.2f} to {after.calibration.enter:.2f}"
    parts = [
        f"## Taught: {entry.exercise}",
        f"`{entry.exercise}` ({entry.name}) was taught to {before.name} {before.version} from {entry.clips} "
        f"{'clip' if entry.clips == 1 else 'clips'}, which are not in this bundle. Each exercise head got one more "
        "row, and variants of `unknown` that the clips resemble were switched off; all else is unchanged. Muscles "
        f"({source}): {', '.join(entry.muscles)}.",
        f"{own}; {taken:.1%} of the rehearsal (held-out windows of the other exercises) lose their right name to it. "
        f"The naming threshold went from {thresholds}. Figures further up are of the bundle before.",
        *(f"Note: {warning}." for warning in warnings),
    ]
    return "\n" + "\n\n".join(parts) + "\n"
