"""From folders and lists of real files to a manifest."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import attrs
import pytest

from fitsense._internal.progress import ProgressBar
from fitsense.data.build import Options, import_clips
from fitsense.data.manifest import check_disjoint, read_manifest, splits_of
from fitsense.errors import InvalidInputError
from fitsense.synthetic.figures import Bout, FigureVideo, random_video
from fitsense.types import Frame
from tests.conftest import encode

PEOPLE = 8
ROOMS = ((0.9, 0.2, 0.2), (0.2, 0.9, 0.2), (0.2, 0.2, 0.9), (0.9, 0.9, 0.2), (0.9, 0.2, 0.9), (0.2, 0.9, 0.9))


def film(seed: int) -> list[Frame]:
    """Three seconds of a person in a room."""
    wall = ROOMS[seed % len(ROOMS)]
    floor = ROOMS[(seed + 1 + seed // len(ROOMS)) % len(ROOMS)]
    appearance = attrs.evolve(random_video("squat", seed).appearance, wall=wall, floor=floor)
    return list(FigureVideo((Bout("squat", 2, 1.5),), appearance=appearance, size=(96, 64), rate_hz=6.0, seed=seed))


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    """Two clips, cut from one film, of each of some people."""
    folder = tmp_path_factory.mktemp("films")
    made = []
    for seed in range(PEOPLE):
        frames = film(seed)
        cuts = [0, len(frames) // 2, len(frames)]
        made.append(
            [
                encode(folder / f"{seed}-{cut}.mp4", frames[start:end], rate=6)
                for cut, (start, end) in enumerate(pairwise(cuts))
            ]
        )
    return made


@pytest.fixture
def kaggle(films: list[list[Path]], tmp_path: Path) -> Path:
    """A folder for each class, with whatever else lies about in such folders."""
    root = tmp_path / "clips"
    for person, files in enumerate(films):
        folder = root / ("barbell biceps curl" if person % 2 else "pull Up")
        folder.mkdir(parents=True, exist_ok=True)
        for cut, file in enumerate(files):
            shutil.copy(file, folder / f"pull up_{person}{cut}{'.MOV' if cut else '.mp4'}")
    return root


def rows(folder: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (folder / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_import_clips_folder_per_class(kaggle: Path, tmp_path: Path) -> None:
    report = import_clips(kaggle, kaggle, Options(test=0.25, val=0.25), cache=tmp_path / "cache")
    assert report["clips"] == 2 * PEOPLE
    assert set(report["classes"]) == {"barbell_biceps_curl", "pull_up"}
    assert splits_of(kaggle) == {"train", "val", "test"}
    parts = {split: read_manifest(kaggle, [split]) for split in ("train", "val", "test")}
    assert not any(part.skipped for part in parts.values())
    check_disjoint(parts["train"].items, [*parts["val"].items, *parts["test"].items])
    check_disjoint(parts["val"].items, parts["test"].items)
    # Both cuts of a film are one scene, and strangers are not.
    scenes = {row["path"]: row["scene"] for row in rows(kaggle)}
    people: dict[str, set[str]] = {}
    for path, scene in scenes.items():
        people.setdefault(scene, set()).add(path.partition("_")[2][0])
        assert scenes[scene] == scene, "a scene is called after its first clip"
    assert len(people) == PEOPLE
    assert all(len(who) == 1 for who in people.values())
    assert {len({row["fold"] for row in rows(kaggle) if row["scene"] == scene}) for scene in people} == {1}
    assert json.loads((kaggle / "dataset.json").read_text("utf-8")) == json.loads(json.dumps(report))
    assert report["options"]["seed"] == 0


def test_import_clips_skipped_files_are_listed(kaggle: Path, tmp_path: Path) -> None:
    folder = kaggle / "pull Up"
    shutil.copy(folder / "pull up_00.mp4", folder / "zz copy.mp4")
    shutil.copy(folder / "pull up_20.mp4", kaggle / "barbell biceps curl" / "pull up_20.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mkv").write_text("no video")
    (folder / "notes.txt").write_text("no video")
    (folder / os.fsdecode(b"n\xe4me.mp4")).touch()
    (folder / "._pull up_00.mp4").write_text("what other systems leave behind")
    (kaggle / ".git").mkdir()
    (kaggle / ".git" / "a.mp4").touch()
    shutil.copy(folder / "pull up_00.mp4", kaggle / "nowhere.mp4")
    encode(folder / "still.mp4", film(0)[:1])
    pictures = encode(folder / "bad.mov", film(1), codec="png", pix_fmt="rgb24")
    head, *frames = pictures.read_bytes().split(b"\x89PNG")
    pictures.write_bytes(b"\x89PNG".join([head, *frames[:5]]) + b"spoilt" + b"\x89PNG".join(frames[5:])[2:])

    out = tmp_path / "out"
    report = import_clips(kaggle, out, Options(), cache=tmp_path / "cache")
    assert report["skipped_by_reason"] == {
        "a single picture": 1,
        "damaged": 1,
        "duplicate": 1,
        "file name is not Unicode": 1,
        "hidden file": 1,
        "no label": 1,
        "no video": 2,
        "several labels": 2,
        "unknown ending": 1,
    }
    assert report["clips"] == 2 * PEOPLE - 1
    assert rows(out, "skipped.csv") == report["skipped_files"]
    reasons = {Path(row["path"]).name: row["reason"] for row in rows(out, "skipped.csv")}
    assert reasons["empty.mp4"] == "no video: is empty (0 bytes)"
    assert reasons["zz copy.mp4"].endswith("pull up_00.mp4")
    assert reasons["notes.txt"] == "unknown ending: .txt"
    # The clips are elsewhere, so their paths are absolute.
    assert {Path(row["path"]).parent.parent for row in rows(out)} == {kaggle}
    assert len(read_manifest(out, ["train", "val", "test"]).items) == report["clips"]


def test_import_clips_uses_nearest_exercise_folder(films: list[list[Path]], tmp_path: Path) -> None:
    source = tmp_path / "clips"
    for path, (file, _) in zip(
        ("train/Squats/person 1/a.mp4", " moon walk/b, c.MP4", "no_exercise/c.mp4"), films, strict=False
    ):
        (source / path).parent.mkdir(parents=True)
        shutil.copy(file, source / path)
    # What is linked is looked into, and a loop does no harm.
    linked = tmp_path / "elsewhere"
    linked.mkdir()
    shutil.copy(films[3][0], linked)
    (source / "push-up").symlink_to(linked)
    (source / "loop").symlink_to(source)
    import_clips(source, source, Options(), cache=tmp_path / "cache")
    assert {row["path"]: row["group"] for row in rows(source)} == {
        " moon walk/b, c.MP4": "moon_walk",
        "no_exercise/c.mp4": "no_exercise",
        "push-up/3-0.mp4": "push_up",
        "train/Squats/person 1/a.mp4": "squat",
    }
    assert not read_manifest(source, splits_of(source)).skipped


def test_import_clips_unknown_class_is_reported(films: list[list[Path]], tmp_path: Path) -> None:
    source = tmp_path / "clips"
    (source / "Moon walk").mkdir(parents=True)
    shutil.copy(films[0][0], source / "Moon walk" / "a.mp4")
    report = import_clips(source, source, Options(), cache=tmp_path / "cache")
    assert report["unknown"] == {"moon_walk": 1}
    assert report["too_few_scenes"] == {"moon_walk": ["test", "val"]}
    options = Options(muscles={"moon_walk": ("calves",)}, published="me")
    again = import_clips(source, source, options, cache=tmp_path / "cache", force=True)
    assert again["unknown"] == {}
    assert again["skipped"] == 0, "what the command wrote itself is no clip that was left out"
    (item,) = read_manifest(source, ["train"]).items
    assert (item.muscles, item.source, item.exercise) == (("calves",), "me", "moon_walk")


def test_import_clips_table_with_several_labels(films: list[list[Path]], tmp_path: Path) -> None:
    names = [file.name for pair in films for file in pair]
    for pair in films:
        for file in pair:
            shutil.copy(file, tmp_path)
    labels = ["Push Ups; Chest", "tricep;Lower Back", "squat;plank", "", "pull-up;moon walk", "Hammer Curl"]
    lines = [f"{name},{label}" for name, label in zip(names, labels, strict=False)]
    (tmp_path / "list.csv").write_text("\n".join(["PATH,Labels", *lines, "gone.mp4,squat"]), "utf-8")
    report = import_clips(tmp_path / "list.csv", tmp_path, Options(grouping="general"), cache=tmp_path / "cache")
    kept = {row["path"]: (row["exercise"], row["group"], row["muscles"]) for row in rows(tmp_path)}
    assert kept == {
        names[0]: ("push_up", "push_up", "chest"),
        names[1]: ("", "", "triceps;lower_back"),
        names[5]: ("hammer_curl", "bicep_curl", ""),
    }
    assert report["skipped_by_reason"] == {"no label": 1, "no such file": 1, "several exercises": 2}
    # The first two are cuts of one film.
    assert {row["scene"] for row in rows(tmp_path)} == {names[0], names[5]}


def test_import_clips_manifest_is_completed(films: list[list[Path]], tmp_path: Path) -> None:
    lines = ["exercise,path,group,split,note"]
    for person, (one, other) in enumerate(films):
        lines.append(f"squat,{one},Squat,{'test' if person == 3 else ''},mine")
        lines.append(f"squat,{other},,{'extra' if person == 0 else ''},")
    (tmp_path / "manifest.csv").write_text("\n".join(lines))
    before = (tmp_path / "manifest.csv").read_bytes()
    with pytest.raises(InvalidInputError, match="is there already; force replaces it"):
        import_clips(tmp_path / "manifest.csv", tmp_path, Options(), cache=tmp_path / "cache")
    assert (tmp_path / "manifest.csv").read_bytes() == before
    import_clips(tmp_path / "manifest.csv", tmp_path, Options(), cache=tmp_path / "cache", force=True)
    made = {Path(row["path"]).name: row for row in rows(tmp_path)}
    assert made["0-1.mp4"]["split"] == "extra"
    assert {made["3-0.mp4"]["split"], made["3-1.mp4"]["split"]} == {"test"}
    assert made["0-0.mp4"]["note"] == "mine"
    for person in range(PEOPLE):
        trained, untrained = made[f"{person}-0.mp4"], made[f"{person}-1.mp4"]
        assert (trained["group"], untrained["group"]) == ("squat", "")
        assert trained["scene"] == untrained["scene"]
        # What shows nothing trained goes with its scene, unless that is trained on, or the source says otherwise.
        assert untrained["split"] == ("extra" if trained["split"] == "train" or person == 0 else trained["split"])


def test_import_clips_splits_dividing_scene_are_refused(films: list[list[Path]], tmp_path: Path) -> None:
    lines = [f"{file},squat,{split}" for pair in films for file, split in zip(pair, ("train", "test"), strict=True)]
    source = tmp_path / "list.csv"
    source.write_text("\n".join(["path,group,split", *lines]))
    with pytest.raises(InvalidInputError, match=r"is in split train by .* and in split test by .*alike 0 joins no"):
        import_clips(source, tmp_path / "out", Options(), cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()
    trusted = import_clips(source, tmp_path / "trusted", Options(alike=0.0), cache=tmp_path / "cache")
    assert trusted["splits"] == {"test": PEOPLE, "train": PEOPLE}
    anew = import_clips(source, tmp_path / "anew", Options(resplit=True), cache=tmp_path / "cache")
    assert anew["scenes"] == PEOPLE


def test_import_clips_scene_pattern_reads_paths(kaggle: Path, tmp_path: Path) -> None:
    options = Options(scene_pattern=r"up_(\d)\d\.")
    report = import_clips(kaggle, tmp_path / "out", options, cache=tmp_path / "cache")
    assert report["scenes_found"] == 0
    assert {row["scene"] for row in rows(tmp_path / "out")} == set(map(str, range(PEOPLE)))


def test_import_clips_interrupted_run_resumes(kaggle: Path, tmp_path: Path) -> None:
    def interrupted(items: Sequence[object], description: str) -> Iterator[object]:
        yield from items[:5]
        raise KeyboardInterrupt

    def remembered() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in cache.iterdir()}

    cache = tmp_path / "cache"
    with pytest.raises(KeyboardInterrupt):
        import_clips(kaggle, tmp_path / "out", Options(), cache=cache, track=cast(ProgressBar, interrupted))
    assert not (tmp_path / "out").exists()
    before = remembered()
    assert len(before) == 5
    import_clips(kaggle, tmp_path / "out", Options(), cache=cache)
    after = remembered()
    assert len(after) == 2 * PEOPLE
    assert before.items() <= after.items(), "looked at again"
    # Another file by the same name is looked at.
    (kaggle / "pull Up" / "pull up_00.mp4").write_bytes((kaggle / "pull Up" / "pull up_01.MOV").read_bytes())
    changed = import_clips(kaggle, tmp_path / "out", Options(), cache=cache, force=True)
    assert len(remembered()) == 2 * PEOPLE + 1
    assert changed["skipped_by_reason"] == {"duplicate": 1}


def test_import_clips_manifest_is_independent_of_place(kaggle: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(kaggle, tmp_path / "moved")
    files = [path for path in kaggle.rglob("*") if path.is_file()]
    made = []
    for number, order in enumerate((files, files[::-1])):
        source = kaggle / f"list{number}.csv"
        source.write_text("\n".join(["path,exercise", *(f"{path},{path.parent.name}" for path in order)]))
        import_clips(source, kaggle, Options(), cache=tmp_path / "cache", force=True)
        made.append((kaggle / "manifest.csv").read_bytes())
    import_clips(moved, moved, Options(), cache=tmp_path / "other cache")
    assert made[0] == made[1] == (moved / "manifest.csv").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path\na.mp4\n", "expected a column group, exercise, muscles or labels, got path"),
        ("path,muscles\na.mp4,elbows\n", "line 2: unknown muscle group 'elbows'; available: triceps"),
        ("path,group,fold\na.mp4,squat,first\n", "line 2: expected a whole number as fold, got 'first'"),
        ("path,group\n,squat\n", "line 2: expected a path, got an empty cell"),
        ("path,group\na.mp4,squat\n", "no clip that can be used; left out: 1 no such file"),
        ("path,group\n", "no clip that can be used; left out: nothing"),
        ("file,group\n", "expected the columns path; path missing of file, group"),
    ],
)
def test_import_clips_invalid_source_writes_nothing(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(InvalidInputError, match=message):
        import_clips(tmp_path / "list.csv", tmp_path / "out", Options(), cache=tmp_path / "cache")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": 0.6, "val": 0.4}, "leave some to train on, got 0.6 and 0.4"),
        ({"alike": 2.0}, "alike: expected 0 to 1, got 2.0"),
        ({"scene_pattern": "("}, "is no regular expression"),
        ({"muscles": {"moon_walk": ("elbows",)}}, "muscles of moon_walk: expected some of triceps"),
    ],
)
def test_options_invalid_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        Options(**options)  # type: ignore[arg-type]
