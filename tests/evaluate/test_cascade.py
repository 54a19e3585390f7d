"""The curve of a cascade: its ends are the first branches alone, and all of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.cli import main
from fitsense.evaluate.cascade import STEPS, curve
from fitsense.evaluate.run import evaluate
from fitsense.inference.fusion import set_cascade
from fitsense.synthetic.figures import Bout, FigureVideo
from tests.conftest import encode

FIRST = ("x3d_s", "x3d_bodies")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,group,split"]
    for at, group in enumerate(("squat", "jumping_jack", "squat")):
        encode(folder / f"{at}.mp4", FigureVideo(bouts=(Bout(group, 1, 2.0),), rate_hz=6.0, seed=at), rate=6)
        rows.append(f"{at}.mp4,{group},val")
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "manifest.csv").write_text("\n".join([*rows, "broken.mp4,squat,val"]))
    return folder


def test_curve_ends_are_the_first_branches_and_all_branches(data: Path) -> None:
    arguments = [
        "cascade",
        "gym-video",
        "--first",
        "x3d_s",
        "--first",
        "x3d_bodies",
        "--data",
        str(data),
        "--views",
        "1",
    ]
    shown = CliRunner().invoke(main, [*arguments, "--json"])
    assert shown.exit_code == 0, shown.output
    assert "broken.mp4" in shown.stderr
    points = json.loads(shown.stdout)
    assert [point["threshold"] for point in points] == list(STEPS)
    asked = [point["asked"] for point in points]
    assert (asked[0], asked[-1]) == (0.0, 1.0)
    assert asked == sorted(asked)
    assert all(point["cost"] > 0 for point in points)
    report = evaluate(fitsense.load_model(), data, "val", views=1, mirror=False)
    assert points[-1]["top1"] == report["exercise"]["top1"]
    assert points[-1]["macro_recall"] == pytest.approx(report["exercise"]["macro_recall"])


def test_cascade_command_writes_a_bundle_with_a_cascade(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = [argument for name in FIRST for argument in ("--first", name)]
    done = CliRunner().invoke(main, ["cascade", "gym-video", *first, "--threshold", "0.9", "--out", str(out)])
    assert done.exit_code == 0, done.output
    manifest = Bundle.load(out).manifest
    assert manifest.fusion["exercise"].config["cascade"] == {"first": list(FIRST), "threshold": 0.9}
    assert manifest.fusion["muscles"].config["cascade"] == {"first": [*FIRST, "lookup"], "threshold": 0.0}
    report = evaluate(fitsense.load_model(out), data, "val", views=1, mirror=False)
    assert report["clips"] == 3
    # Without the command, for one program.
    asked = fitsense.load_model(cascade=fitsense.Cascade(FIRST, 0.9))
    assert asked.manifest.fusion == manifest.fusion
    assert asked.deferred_branches == ("slowfast",)
    with pytest.raises(fitsense.InvalidInputError, match=r"expected to ask some of x3d_s, .* first, got x3d"):
        fitsense.load_model(cascade=fitsense.Cascade(("x3d",), 0.9))
    again = CliRunner().invoke(main, ["cascade", "gym-video", *first, "--threshold", "0.9", "--out", str(out)])
    assert again.exit_code != 0
    assert "expected an empty folder" in again.output


@pytest.mark.parametrize("first", [(), ("nobody",), ("x3d_s", "x3d_bodies", "slowfast")])
def test_curve_first_must_be_some_but_not_all_branches(data: Path, first: tuple[str, ...]) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="expected some, but not all, of x3d_s, x3d_bodies, slowfast"):
        curve(Bundle.load("gym-video"), data, "val", first)


def test_set_cascade_of_a_fusion_without_cascade_is_refused() -> None:
    import types

    import attrs

    @attrs.frozen
    class Config:
        pass

    module = types.ModuleType("plain")
    module.fitsense_plugin = fitsense.hookimpl(  # type: ignore[attr-defined]
        lambda: fitsense.plugins.PluginInfo("plain", "1"), specname="fitsense_plugin"
    )
    module.fitsense_fusions = fitsense.hookimpl(  # type: ignore[attr-defined]
        lambda: [fitsense.plugins.FusionSpec("first", lambda config, members: next(iter(members.values())), Config)],
        specname="fitsense_fusions",
    )
    plugins = fitsense.PluginManager.discover()
    assert plugins.register(module).status == "loaded"
    manifest = Bundle.load("gym-video").manifest
    fusion = {task: attrs.evolve(entry, fusion="plain/first", config={}) for task, entry in manifest.fusion.items()}
    with pytest.raises(fitsense.InvalidInputError, match="plain/first, the fusion for exercise, has no cascade"):
        set_cascade(attrs.evolve(manifest, fusion=fusion), plugins, fitsense.Cascade(FIRST, 0.5))
