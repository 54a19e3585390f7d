"""Manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from fitsense.data.manifest import check_disjoint, read_manifest, splits_of
from fitsense.errors import InvalidInputError


def test_read_manifest_missing_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("path,label\na.mp4,squat\n")
    with pytest.raises(InvalidInputError, match="group, split missing"):
        read_manifest(tmp_path, ["test"])


def test_read_manifest_optional_columns_have_defaults(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "manifest.csv").write_text("path,group,split\na.mp4,squat,test\nb.mp4,squat,test\n")
    dataset = read_manifest(tmp_path, ["test"])
    assert [item.scene for item in dataset.items] == ["a.mp4"]
    assert dataset.items[0].fold in range(5)
    assert [(skip.path, skip.reason) for skip in dataset.skipped] == [("b.mp4", "no such file")]


def test_check_disjoint_divided_scene_is_refused(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.mp4").touch()
    header = "path,group,split,scene,fold\n"
    (tmp_path / "manifest.csv").write_text(f"{header}a.mp4,squat,train,gym,0\nb.mp4,squat,train,gym,1\n")
    with pytest.raises(InvalidInputError, match="scene 'gym' is in several folds"):
        check_disjoint(read_manifest(tmp_path, ["train"]).items, [])
    (tmp_path / "manifest.csv").write_text(f"{header}a.mp4,squat,train,gym,0\nb.mp4,squat,test,gym,0\n")
    with pytest.raises(InvalidInputError, match="scene 'gym' is in a split to train on and in test"):
        check_disjoint(read_manifest(tmp_path, ["train"]).items, read_manifest(tmp_path, ["test"]).items)
    assert splits_of(tmp_path) == {"train", "test"}


@pytest.mark.parametrize("column", ["licence", "license", "Licence"])
def test_read_manifest_licence_column_is_read_in_either_spelling(column: str, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp4").touch()
    rows = f'path,group,split,{column}\na.mp4,squat,test,"CC-BY-4.0\n of somebody"\nb.mp4,squat,test,\n'
    (tmp_path / "manifest.csv").write_text(rows)
    assert [item.licence for item in read_manifest(tmp_path, ["test"]).items] == ["CC-BY-4.0 of somebody", ""]


def test_read_manifest_without_folds_uses_scenes(tmp_path: Path) -> None:
    rows = [f"{scene}{clip}.mp4,squat,train,{scene}" for scene in "abcdefgh" for clip in range(3)]
    for row in rows:
        (tmp_path / row.partition(",")[0]).touch()
    (tmp_path / "manifest.csv").write_text("\n".join(["path,group,split,scene", *rows]))
    items = read_manifest(tmp_path, ["train"]).items
    check_disjoint(items, [])
    assert len({item.fold for item in items}) > 1


def test_read_manifest_optional_columns_are_read(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "a.mp4"
    elsewhere.parent.mkdir()
    elsewhere.touch()
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "b.mp4").touch()
    lines = [
        "path,group,split,source,muscles,exercise",
        f"{elsewhere},squat,train,somebody,glutes; quads,hack_squat",
        "b.mp4,squat,train,,,",
    ]
    (folder / "manifest.csv").write_text("\n".join(lines), "utf-8")
    first, second = read_manifest(folder, ["train"]).items
    assert first.path == elsewhere
    assert (first.source, first.muscles, first.exercise) == ("somebody", ("quads", "glutes"), "hack_squat")
    assert (second.source, second.muscles, second.exercise) == ("", None, "")


def test_read_manifest_unknown_muscle_group_names_line(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "manifest.csv").write_text("path,group,split,muscles\na.mp4,squat,train,quads;elbows\n")
    with pytest.raises(
        InvalidInputError, match=r"manifest\.csv, line 2: .*'elbows'; available: triceps, lats"
    ) as error:
        read_manifest(tmp_path, ["train"])
    assert "middle_back" in str(error.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_read_table_spreadsheet_variants_are_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    (tmp_path / "ä.mp4").touch()
    rows = [["Path", "GROUP", " split "], ["ä.mp4", "squat", "train"], ["", "", ""]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    (tmp_path / "manifest.csv").write_bytes(text.encode(encoding))
    (item,) = read_manifest(tmp_path, ["train"]).items
    assert (item.path.name, item.group) == ("ä.mp4", "squat")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,group,split\na.mp4,squat,train,more\n", "line 2: expected at most 3 cells, got 4"),
        (b"path,group,split,Path\n", "expected each column once, got path several times"),
        (b"path,group,split\n\xff\xfe\n", "expected CSV in UTF-8"),
        (b"", "path, group, split missing of an empty header"),
    ],
)
def test_read_table_invalid_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        read_manifest(tmp_path, [])


def test_read_manifest_primary_muscles_come_before_muscles(tmp_path: Path) -> None:
    rows = "a.mp4,squat,test,calves,glutes;quads,hamstrings\nb.mp4,squat,test,calves,,\n"
    for name in "ab":
        (tmp_path / f"{name}.mp4").touch()
    (tmp_path / "manifest.csv").write_text(f"path,group,split,muscles,muscles_primary,muscles_secondary\n{rows}")
    first, second = read_manifest(tmp_path, ["test"]).items
    assert (first.muscles, first.muscles_secondary) == (("quads", "glutes"), ("hamstrings",))
    assert (second.muscles, second.muscles_secondary) == (("calves",), ())


@pytest.mark.parametrize(
    ("primary", "secondary", "message"),
    [
        ("quadz", "", "line 2: unknown muscle group 'quadz'; available:"),
        ("quads", "glutz", "line 2: unknown muscle group 'glutz'"),
        ("", "quads", "line 2: muscles_secondary: expected muscles_primary in the same row"),
        ("quads;glutes", "glutes", "line 2: expected each muscle group once, got 'glutes' in both columns"),
    ],
)
def test_read_manifest_wrong_muscles_are_refused(tmp_path: Path, primary: str, secondary: str, message: str) -> None:
    (tmp_path / "a.mp4").touch()
    header = "path,group,split,muscles_primary,muscles_secondary"
    (tmp_path / "manifest.csv").write_text(f"{header}\na.mp4,squat,test,{primary},{secondary}\n")
    with pytest.raises(InvalidInputError, match=message):
        read_manifest(tmp_path, ["test"])
