"""The model card that comes with a trained bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitsense.bundle import Manifest
from fitsense.catalogue import IDLE


def model_card(manifest: Manifest, report: Mapping[str, Any]) -> str:
    """Markdown: what the bundle is, what it was trained on, how good it is and where it is not."""
    recipe = manifest.training["recipe"]
    trained, held_out, test = report["trained"], report["held_out"], report.get("test")
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.summary}. Backbone: `{recipe['backbone']}` from `{recipe['weights']}`"
        f"{f' ({origin})' if (origin := recipe['weights_origin']) else ''}, frozen; only the heads were trained.",
        "## What it was trained on",
        f"{trained['clips']} publicly posted clips of {trained['scenes']} scenes (splits "
        f"{' and '.join(manifest.training['splits'])}), whose rights were not cleared one by one; none of them is in "
        f"this bundle or in the project. Beside them {trained['figures']} videos of figures that fitsense renders "
        "itself (`fitsense.testing.figures`: squats, push-ups, jumping jacks, standing idle). Each clip was looked "
        f"at in {recipe['views']} windows{' and their mirror images' if recipe['mirror'] else ''}. Muscle targets "
        "are those of the exercise in fitsense's catalogue, not measurements.",
        _too_few(trained),
        "## Figures",
        f"Held out by fold (scene-disjoint, {held_out['clips']} clips of the training splits): top-1 "
        f"{held_out['top1']:.3f}, mean recall over exercises {held_out['macro_recall']:.3f}. Temperature "
        f"{held_out['temperature']:.3f} and naming threshold {held_out['enter']:.2f} were fitted on these, with "
        f"{held_out['foreign_clips']} clips of exercises that the model does not know; at that threshold "
        f"{held_out['named']:.0%} of single windows of exercise get a name, and "
        f"{held_out['named_rightly']:.0%} of those names "
        "are right.",
        _muscles(manifest, held_out["muscles"]),
        _bf16(report["bf16"]),
    ]
    if test:
        parts += [_figures(test), _by_group(test, trained["by_group"])]
    parts += [
        "## Limits",
        "- Short, mostly well-framed clips of one person were its teachers; crowds, odd angles, several people and "
        "children were not.\n"
        "- A centre crop is all that it sees: keep the person in the middle.\n"
        "- Groups with few scenes are weak: see the table. An exercise that it does not know is often given a "
        "neighbour's name.\n"
        "- Muscle activation is learned from which exercise works which muscle group. It is no measurement of "
        "effort, and nothing here is medical advice.",
        "## Train it on your own clips",
        "A folder with clips and a `manifest.csv` (columns path, group, split; scene and fold if you have them):",
        "```\n"
        f"fitsense train --data FOLDER --weights FILE --backbone {recipe['backbone']} --out mybundle\n"
        "fitsense analyze video.mp4 --bundle mybundle\n"
        "```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _too_few(trained: Mapping[str, Any]) -> str:
    few = trained["too_few_scenes"]
    if not few:
        return ""
    return "Left out, for want of scenes: " + ", ".join(f"{group} ({n})" for group, n in sorted(few.items())) + "."


def _muscles(manifest: Manifest, held_out: Mapping[str, Any]) -> str:
    if not manifest.derived:
        return ""
    weights = manifest.fusion["muscles"].config["weights"]
    stated = ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items())
    text = (
        "Muscle activation is a weighted average of a learned head and of a look-up from the predicted exercise, "
        f"whose weights were chosen on held-out clips ({stated}). Held out, mean average precision is "
        f"{held_out['map']:.3f} for the learned head, {held_out['map_lookup']:.3f} for the look-up and "
        f"{held_out['map_fused']:.3f} for the average."
    )
    if held_out["map"] < held_out["map_lookup"]:
        text += " The learned head alone does not beat the look-up on exercises that the model knows."
    return text


def _bf16(report: Mapping[str, Any]) -> str:
    if not report["clips"]:
        return ""
    return (
        f"In bfloat16, {report['same_answer']:.0%} of {report['clips']} clips keep their answer; it is "
        f"{'used where the CPU has it' if report['good_enough'] else 'not used'}."
    )


def _figures(test: Mapping[str, Any]) -> str:
    exercise, muscles, rejection, unknown = (test[k] for k in ("exercise", "muscles", "rejection", "unknown"))
    rows = [
        ("exercise top-1", exercise["top1"]),
        ("exercise top-5", exercise["top5"]),
        ("mean recall over exercises", exercise["macro_recall"]),
        ("muscles, mean average precision", muscles["map"]),
        ("the same by look-up from the predicted exercise", muscles["map_lookup"]),
        ("muscles, micro F1", muscles["f1"]["micro"]),
        ("the same by look-up", muscles["f1_lookup"]["micro"]),
        ("telling no exercise from exercise, AUROC", rejection["auroc"]),
        ("share of known exercises that get a name at the threshold", unknown["known_named"]),
    ]
    table = "\n".join(f"| {name} | {value:.3f} |" for name, value in rows if value is not None)
    return (
        f"Split `{test['split']}`, never trained on: {exercise['clips']} clips of {exercise['groups']} exercises, "
        f"{rejection['clips']} of no exercise, {unknown['clips']} of exercises that the model does not know (counted "
        f"apart), {test['skipped']} skipped; {test['views']} windows each"
        f"{' and their mirror images' if test['mirror'] else ''}, probabilities averaged.\n\n"
        f"| figure | value |\n|---|---|\n{table}"
    )


def _by_group(test: Mapping[str, Any], trained: Mapping[str, int]) -> str:
    rows = "\n".join(
        f"| {group} | {trained.get(group, 0)} | {entry['clips']} | {entry['recall']:.2f} |"
        for group, entry in test["exercise"]["by_group"].items()
        if group != IDLE
    )
    return f"| exercise | trained on | tested on | recall |\n|---|---|---|---|\n{rows}"
