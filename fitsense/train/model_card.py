"""The model card that comes with a trained bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fitsense.bundles.manifest import BranchEntry, Manifest
from fitsense.catalogue import IDLE
from fitsense.evaluate.task_metrics import MAIN


def model_card(manifest: Manifest, report: Mapping[str, Any]) -> str:
    """Write the card as Markdown: description, training data, metrics and limitations."""
    recipe = manifest.training["recipe"]
    trained, held_out, test = report["trained"], report["held_out"], report.get("test")
    parts = [
        f"# {manifest.name} {manifest.version}",
        f"{manifest.summary}.",
        f"Licence of the bundle: {manifest.licence or 'none stated'}.",
        "\n".join(_branch(branch, made) for branch, made in zip(manifest.branches, _shipped(recipe), strict=True)),
        "## What it was trained on",
        f"{trained['clips']} clips of {trained['scenes']} scenes (splits {' and '.join(manifest.training['splits'])}); "
        f"none of them is in this bundle. {_licences(trained['licences'])}",
        _beside(trained),
        "Muscle targets are those that the manifest states, or else those of the exercise in fitsense's catalogue; "
        "they are no measurements.",
        _too_few(trained),
        "## Figures",
        f"Held out ({_held_out(recipe)}; {held_out['clips']} clips, no scene of which was trained on): top-1 "
        f"{held_out['top1']:.3f}, mean recall over exercises {held_out['macro_recall']:.3f}. Fusion weights, "
        f"temperature {held_out['temperature']:.3f} and naming threshold {held_out['enter']:.2f} were fitted on these, "
        f"with {held_out['unknown_clips']} clips of exercises that the model does not know; at that threshold "
        f"{held_out['named']:.0%} of single windows of exercise get a name, and "
        f"{held_out['named_correctly']:.0%} of those names are right.{_unknown(held_out)}",
        _tasks("Held out", held_out),
        _weights(manifest, held_out),
        _bf16(report["bf16"]),
    ]
    if test:
        parts += [
            _figures(test),
            _tasks(f"Split `{test['split']}`", test),
            _over_branches(test),
            _by_group(test, test.get("twin", trained)["by_group"]),
        ]
    parts += [
        "## Limits",
        "- It knows what is like its clips. People, places, camera positions and speeds that they do not show were not "
        "tried.\n"
        f"{_sight(manifest)}"
        "- Groups with few scenes are weak: see the table. An exercise that it does not know is often given a "
        "neighbour's name.\n"
        "- Muscle activation is learned from which exercise works which muscle group. It is no measurement of "
        "effort, and nothing here is medical advice.",
        _teach(manifest),
        "## Train it on your own clips",
        "`fitsense dataset` makes a folder with a `manifest.csv` of your clips. This bundle's own recipe is in its "
        "`model.json`:",
        f"```\nfitsense train --data FOLDER --recipe {manifest.name}/model.json{_files(recipe)} --out mybundle\n"
        "fitsense analyze video.mp4 --bundle mybundle\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _shipped(recipe: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [branch for branch in recipe["branches"] if not branch["teacher_only"]]


def _licences(counts: Mapping[str, int]) -> str:
    """Licences of the clips as the manifest states them, without a check."""
    if not any(counts):
        return "The manifest states no licence of any of them."
    stated = ", ".join(f"{licence or 'none stated'} ({clips})" for licence, clips in counts.items())
    return f"Licences by the manifest, which fitsense does not check: {stated}."


def _beside(trained: Mapping[str, Any]) -> str:
    """Training data besides the clips."""
    parts = []
    if trained["synthetic_clips"]:
        parts.append(
            f"Beside them {trained['synthetic_clips']} videos that fitsense renders (`fitsense.synthetic.figures`)."
        )
    if trained["auxiliary_clips"]:
        parts.append(
            f"Branches that are marked so were also trained on {trained['auxiliary_clips']} clips of further folders "
            f"(`--auxiliary-data`), "
            f"which nothing is measured on. {_licences(trained['licences_of_auxiliary'])}"
        )
    if trained.get("photo_pairs"):
        parts.append(
            f"Branches on landmarks that are fitted in closed form also learned from {trained['photo_pairs']} pairs of "
            f"photographs (`--photo-pairs`). {_licences(trained['licences_of_photos'])}"
        )
    return " ".join(parts)


def _branch(branch: BranchEntry, recipe: Mapping[str, Any]) -> str:
    weights, origin = recipe["weights"], recipe["weights_origin"]
    start = f"from `{weights}`{f' ({origin})' if origin else ''}" if weights else "from scratch"
    how, tuning = "frozen, only its heads were trained", recipe["finetuning"]
    if tuning:
        last = tuning.get("stored_windows") and tuning["trainable_layers"]
        how = f"its last {last} layers and its heads were trained" if last else "trained as a whole"
    if branch.observation and not tuning:
        start, how = "computed without a network", "only its heads were trained"
    taught = f", beside the labels by {' and '.join(recipe['teachers'])}" if recipe["teachers"] else ""
    if recipe["use_auxiliary"]:
        sources = ", ".join(recipe.get("auxiliary_sources", ()))
        taught += f"; also on the clips of `--auxiliary-data`{f' by {sources}' if sources else ''}"
    needs = ""
    if branch.observation and branch.observation.assets:
        needs = " Its landmark models are not in the bundle: `fitsense models pull` fetches them, once."
    return f"- `{branch.name}`: backbone `{branch.backbone}` {start}; {how}{taught}.{needs}"


def _held_out(recipe: Mapping[str, Any]) -> str:
    if recipe["validation"] == "val":
        kept = [_name(branch) for branch in recipe["branches"] if not branch["retrain_on_all"]]
        stay = f"; {', '.join(kept)} stayed so" if kept else ""
        return f"the split val, by branches that were trained without it{stay}"
    return "each fold in turn, by branches that were trained without it"


def _sight(manifest: Manifest) -> str:
    if any(branch.clip.fit == "crop" for branch in manifest.branches):
        return "- Networks on pictures see a centre crop: keep the person in the middle.\n"
    if any(branch.clip.fit == "person" for branch in manifest.branches):
        return "- Networks on pictures see a square around the tracked person, or the centre where nobody is tracked.\n"
    return ""


def _teach(manifest: Manifest) -> str:
    if manifest.teaching is None:
        return ""
    return (
        "## Teach it an exercise\n\n"
        f"`fitsense teach --bundle {manifest.name} --exercise wall_ball CLIPS… --out mybundle` adds an exercise from a "
        f"few clips, by the statistics of the training clips in `{manifest.teaching.file}`."
    )


def _files(recipe: Mapping[str, Any]) -> str:
    named = [branch for branch in recipe["branches"] if "." in branch["weights"]]
    return "".join(f" --weights {_name(branch)}=FILE" for branch in named)


def _name(branch: Mapping[str, Any]) -> str:
    return str(branch["name"] or branch["backbone"].replace("/", "_"))


def _too_few(trained: Mapping[str, Any]) -> str:
    few = trained["too_few_scenes"]
    if not few:
        return ""
    return "Left out, for want of scenes: " + ", ".join(f"{group} ({n})" for group, n in sorted(few.items())) + "."


def _unknown(held_out: Mapping[str, Any]) -> str:
    """Metrics of unknown exercises, of a bundle with that label; each was held out with all of its clips."""
    parts = []
    if "unknown_auroc" in held_out:
        parts.append(
            f" Of clips of exercises that were held out altogether, {held_out['unknown_named']:.0%} get a name, of "
            f"known ones {held_out['known_named']:.0%}; AUROC {held_out['unknown_auroc']:.3f}."
        )
    if unseen := held_out["muscles"].get("unseen"):
        parts.append(
            f" Muscles of {unseen['clips']} such clips have a mean average precision of {unseen['map']:.3f}, by "
            f"look-up {unseen['map_lookup']:.3f}."
        )
    return "".join(parts)


def _weights(manifest: Manifest, held_out: Mapping[str, Any]) -> str:
    """Weights of members, and metrics of each alone."""
    rows = []
    for task, figures in (("exercise", held_out["branches"]), ("muscles", held_out["muscles"]["branches"])):
        config = manifest.fusion[task].config
        for name, figure in figures.items():
            weight = config.get("weights", {}).get(name)
            value = f"top-1 {figure['top1']:.3f}" if task == "exercise" else f"mean average precision {figure:.3f}"
            rows.append(f"| {task} | {name} | {'alone' if weight is None else f'{weight:.2f}'} | {value} |")
        whole = held_out["top1"] if task == "exercise" else held_out["muscles"]["map"]
        label = "top-1" if task == "exercise" else "mean average precision"
        rows.append(f"| {task} | all together, of {config.get('space', 'probabilities')} | | {label} {whole:.3f} |")
    return "| task | member | weight | held out |\n|---|---|---|---|\n" + "\n".join(rows)


def _bf16(report: Mapping[str, Any]) -> str:
    if not report["clips"]:
        return ""
    return (
        f"In bfloat16, {report['same_answer']:.0%} of {report['clips']} clips keep their answer; it is "
        f"{'used where the CPU has it' if report['good_enough'] else 'not used'}."
    )


def _figures(test: Mapping[str, Any]) -> str:
    exercise, muscles, rejection, unknown = (test[k] for k in ("exercise", "muscles", "rejection", "unknown"))
    intervals = test["intervals"]
    rows = [
        ("exercise top-1", exercise["top1"], intervals["exercise.top1"]),
        ("exercise top-5", exercise["top5"], intervals["exercise.top5"]),
        ("mean recall over exercises", exercise["macro_recall"], intervals["exercise.macro_recall"]),
        ("expected calibration error of clips", exercise["ece"], intervals["exercise.ece"]),
        ("the same of a perfectly calibrated model, on as many clips", exercise["ece_by_chance"], None),
        ("the same of single windows", exercise["ece_windows"], None),
        ("muscles, mean average precision", muscles["map"], intervals["muscles.map"]),
        ("the same by look-up from the predicted exercise", muscles["map_lookup"], None),
        ("the difference", muscles["map_over_lookup"], intervals["muscles.map_over_lookup"]),
        ("muscles, micro F1", muscles["f1"]["micro"], None),
        ("the same by look-up", muscles["f1_lookup"]["micro"], None),
        ("no exercise against exercise, AUROC", rejection["auroc"], intervals["rejection.auroc"]),
        ("unknown exercises and idleness against known exercises, AUROC", unknown["auroc"], intervals["unknown.auroc"]),
        ("share of known exercises that get a name at the threshold", unknown["known_named"], None),
    ]
    table = "\n".join(
        f"| {name} | {value:.3f} | {f'{interval[0]:.3f} to {interval[1]:.3f}' if interval else ''} |"
        for name, value, interval in rows
        if value is not None
    )
    return (
        f"{_who(test)}: {exercise['clips']} clips of {exercise['groups']} exercises, "
        f"{rejection['clips']} of no exercise, {unknown['clips']} of exercises that the model does not know (counted "
        f"apart), {test['skipped']} skipped; {test['views']} windows each"
        f"{' and their mirror images' if test['mirror'] else ''}, probabilities averaged. Intervals are of 95 %, by "
        f"resampling scenes.\n\n| figure | value | interval |\n|---|---|---|\n{table}"
    )


def _who(test: Mapping[str, Any]) -> str:
    """Splits of the measurements."""
    twin = test.get("twin")
    if twin is None:
        return f"Split `{test['split']}`, never trained on"
    return (
        f"This bundle was trained on all clips, so that none is left to measure it on. A twin of the same recipe, "
        f"trained on {twin['clips']} clips (splits {' and '.join(twin['splits'])}), was measured on the split "
        f"`{test['split']}`, on which it was not trained"
    )


def _over_branches(test: Mapping[str, Any]) -> str:
    """Gain of the fusion over each branch alone."""
    rows = [
        f"| {branch} | {name} | {_member(test, branch, name):.3f} | {gain['difference']:+.3f} | "
        f"{gain['interval'][0]:+.3f} to {gain['interval'][1]:+.3f} | {'yes' if gain['better'] else 'no'} |"
        for branch, gains in test["ensemble"]["over_branch"].items()
        for name, gain in gains.items()
        if gain["interval"] is not None
    ]
    if not rows:
        return ""
    return (
        "Gain of the fusion over each member, on the same clips:\n\n"
        "| member | figure | value | gain | interval | significant |\n|---|---|---|---|---|---|\n" + "\n".join(rows)
    )


def _member(test: Mapping[str, Any], branch: str, name: str) -> float:
    task, figure = name.split(".")
    value: float = test["branches"][branch][task][figure]
    return value


def _tasks(clips: str, figures: Mapping[str, Any]) -> str:
    """Table of the tasks that plugins declare; empty without any."""
    tasks = figures.get("tasks")
    if not tasks:
        return ""
    rows = []
    for name, one in tasks.items():
        key, title = MAIN[one["kind"]]
        value, baseline, unit = one[key], one.get(f"{key}_baseline"), f" {one['unit']}" if one.get("unit") else ""
        stated = ["" if figure is None else f"{figure:.3f}{unit}" for figure in (value, baseline)]
        rows.append(f"| {name} | {one['clips']} | {title} | {stated[0]} | {stated[1]} |")
    head = "| task | clips | figure | value | the same answer for every clip |\n|---|---|---|---|---|"
    return f"{clips}, tasks of plugins:\n\n{head}\n" + "\n".join(rows)


def _by_group(test: Mapping[str, Any], trained: Mapping[str, int]) -> str:
    rows = "\n".join(
        f"| {group} | {trained.get(group, 0)} | {entry['clips']} | {entry['recall']:.2f} |"
        for group, entry in test["exercise"]["by_group"].items()
        if group != IDLE
    )
    return f"| exercise | trained on | tested on | recall |\n|---|---|---|---|\n{rows}"
