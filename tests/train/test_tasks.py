"""Tasks that plugins declare, from the manifest to the events of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import fitsense
from fitsense.bundles.bundle import Bundle
from fitsense.cli import main
from fitsense.cli.evaluate import _show
from fitsense.errors import BundleError, InvalidInputError, UnknownNameError
from fitsense.evaluate.run import evaluate
from fitsense.events.parsing import parse_event
from fitsense.events.schema import validate_event
from fitsense.inference.model import Model
from fitsense.plugins._manager import PluginManager
from fitsense.session.session import Session
from fitsense.train.recipe import Sources, read_recipe
from fitsense.train.run import train
from tests.helpers import task_plugin, tiny_models
from tests.helpers.plugin_modules import plugin

pytest.importorskip("torch")

RECIPE = {
    "views": 2,
    "min_scenes": 2,
    "derived_heads": ["tasks/guess"],
    "branches": [
        {
            "name": "still",
            "backbone": "tiny/means",
            "tasks": {task.name: {"head": f"tasks/{task.name}", "l2": 1e-5} for task in task_plugin.TASKS},
        },
        {
            "name": "moving",
            "backbone": "tiny/pictures",
            "finetuning": {"epochs": 1, "batch_size": 8},
            "tasks": {
                "form_quality": {"head": "tasks/form_quality", "config": {"bias": False}, "weight": 1.0},
                "effort": {"head": "tasks/effort"},
            },
        },
    ],
}


def host() -> PluginManager:
    plugins = PluginManager.discover()
    for module in (tiny_models, task_plugin):
        assert plugins.register(module).faults == ()
    return plugins


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("tasks")
    data = task_plugin.write_data(folder)
    (folder / "recipe.json").write_text(json.dumps(RECIPE), "utf-8")
    sources = Sources(data, splits=("train",), unknown_split=None)
    bundle, report = train(
        read_recipe(folder / "recipe.json"),
        sources,
        folder / "out",
        name="tasks",
        cache=folder / "cache",
        plugins=host(),
    )
    return bundle, report, data


@pytest.fixture(scope="module")
def model(trained: tuple[Bundle, dict[str, Any], Path]) -> Model:
    return Model(trained[0], plugins=host())


def test_train_with_tasks_writes_them_to_the_bundle(trained: tuple[Bundle, dict[str, Any], Path]) -> None:
    bundle, _, _ = trained
    document = json.loads((bundle.folder / "model.json").read_text("utf-8"))
    assert document["labels"]["form_quality"] == ["good", "shallow"]
    assert document["labels"]["faults"] == ["glare", "gloom", "noise"]
    assert document["labels"]["effort"] == ["effort"]
    assert document["tasks"]["effort"] == {"kind": "regression", "unit": "RPE"}
    assert set(document["fusion"]) == {"exercise", "muscles", "form_quality", "faults", "effort", "light"}
    weights = document["fusion"]["form_quality"]["config"]["weights"]
    assert set(weights) == {"still", "moving"}
    efforts = document["fusion"]["effort"]["config"]["weights"]
    assert set(efforts) == {"still", "moving", "guess"}
    assert efforts["still"] > 0.9
    assert {one["name"]: one["task"] for one in document["derived"]}["guess"] == "effort"
    heads = {head["task"]: head for head in document["branches"][0]["heads"]}
    assert heads["light"]["activation"] == "percent"
    assert document["training"]["recipe"]["branches"][1]["tasks"]["form_quality"]["config"] == {"bias": False}


@pytest.mark.slow
def test_train_with_tasks_measures_them(
    trained: tuple[Bundle, dict[str, Any], Path], capsys: pytest.CaptureFixture[str], model: Model
) -> None:
    bundle, report, data = trained
    for figures in (report["held_out"]["tasks"], report["test"]["tasks"]):
        assert figures["form_quality"]["clips"] == 15, "clips without a cell do not count"
        assert figures["form_quality"]["top1"] > figures["form_quality"]["top1_baseline"]
        assert figures["faults"]["map"] > figures["faults"]["map_baseline"]
        assert figures["effort"]["mae"] < figures["effort"]["mae_baseline"]
        assert figures["light"]["mae"] < figures["light"]["mae_baseline"]
    assert set(report["held_out"]["tasks"]["form_quality"]["branches"]) == {"still", "moving"}
    card = (bundle.folder / "README.md").read_text("utf-8")
    assert "| form_quality | 15 | top-1 accuracy |" in card
    assert " RPE |" in card
    measured = evaluate(model, data, "test", views=1, mirror=False)
    _show(measured)
    assert "form_quality: 15 clips: top-1 accuracy" in capsys.readouterr().out


def _watch(model: Model, brightness: float = 1.15) -> list[fitsense.Event]:
    session = Session(model)
    return session.push_many(task_plugin.video("squat", brightness, 8.0, 3)) + session.finish()


def test_session_with_tasks_emits_their_extensions(model: Model) -> None:
    events = [event.to_dict() for event in _watch(model)]
    for event in events:
        validate_event(event)
    updates = [event["data"] for event in events if event["type"] == "fitsense.exercise.updated"]
    assert len(updates) > 3
    for data in updates:
        part = data["extensions"]["form_quality"]
        assert part["kind"] == "one_of_many"
        assert part["label"] == "good"
        assert sum(part["values"].values()) == pytest.approx(1, abs=1e-3)
        assert set(data["extensions"]["faults"]["values"]) == {"glare", "gloom", "noise"}
        assert data["extensions"]["effort"]["unit"] == "RPE"
        assert data["extensions"]["light"]["bright"] is True
    (ended,) = [event["data"] for event in events if event["type"] == "fitsense.exercise.ended"]
    # The effort of a stretch is its largest value.
    efforts = [data["extensions"]["effort"]["values"]["effort"] for data in updates]
    assert ended["extensions"]["effort"]["values"]["effort"] >= max(efforts)
    parsed = parse_event(next(event for event in events if event["type"] == "fitsense.exercise.updated"))
    assert isinstance(parsed, fitsense.Event)
    assert isinstance(parsed.data, fitsense.ExerciseUpdated)
    assert parsed.data.extensions == updates[0]["extensions"]


def test_session_resumes_tasks_byte_for_byte(model: Model) -> None:
    frames = list(task_plugin.video("squat", 1.15, 8.0, 3))
    expected = [event.to_json() for event in _watch(model)]
    for at in (1, 20, 33, 50, 63):
        session = Session(model)
        lines = session.push_many(frames[:at])
        session = Session.resume(model, session.snapshot())
        lines += session.push_many(frames[at:]) + session.finish()
        assert [event.to_json() for event in lines] == expected


def test_session_with_a_task_that_cannot_be_summarised_warns_once(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(values: Any, seconds: Any) -> Any:
        raise RuntimeError("no idea")

    monkeypatch.setattr(
        model._fusion,
        "_tasks",
        {
            **model._fusion._tasks,
            "effort": fitsense.plugins.TaskSpec("effort", "regression", unit="RPE", summarise=failing),
        },
    )
    events = [event.to_dict() for event in _watch(model)]
    (warning,) = [
        event["data"]
        for event in events
        if event["type"] == "fitsense.session.warning" and event["data"]["code"] == "plugin_failed"
    ]
    assert warning["message"] == "the task effort is left out: RuntimeError: no idea"
    assert all(
        "effort" not in event["data"]["extensions"] for event in events if event["type"] == "fitsense.exercise.updated"
    )


def test_model_without_the_plugin_of_a_task_is_refused_with_its_name(
    trained: tuple[Bundle, dict[str, Any], Path],
) -> None:
    plugins = PluginManager.discover()
    plugins.register(tiny_models)
    with pytest.raises(UnknownNameError, match="unknown task 'form_quality'; available: exercise, muscles"):
        Model(trained[0], plugins=plugins)
    other = plugin("other", fitsense_tasks=lambda: [fitsense.plugins.TaskSpec("form_quality", "regression", unit="kg")])
    assert plugins.register(other).faults == ()
    with pytest.raises(
        BundleError, match="task form_quality: expected one_of_many, got regression kg from the installed"
    ):
        Model(trained[0], plugins=plugins)


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("form_quality", "awful", "column form_quality: expected one of good, shallow, got 'awful'"),
        ("effort", "very", "column effort: expected a number, got 'very'"),
    ],
)
def test_train_with_an_invalid_cell_is_refused_with_its_place(
    column: str, cell: str, message: str, trained: tuple[Bundle, dict[str, Any], Path], tmp_path: Path
) -> None:
    _, _, data = trained
    header, *rows = (data / "manifest.csv").read_text("utf-8").splitlines()
    at = header.split(",").index(column)
    cells = [row.split(",") for row in rows]
    cells[4][at] = cell
    changed = [[str(data / row[0]), *row[1:]] for row in cells]
    (tmp_path / "manifest.csv").write_text("\n".join([header, *map(",".join, changed)]) + "\n", "utf-8")
    sources = Sources(tmp_path, splits=("train",), unknown_split=None, test_split=None)
    recipe = read_recipe(data / "recipe.json")
    with pytest.raises(InvalidInputError, match=message):
        train(recipe, sources, tmp_path / "out", name="tasks", cache=data / "cache", plugins=host())


def test_schemas_of_tasks_are_published(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = host()
    assert plugins.schemas()["task.light"]["$id"] == "urn:fitsense:plugin:tasks:light"
    assert "task.effort" not in plugins.schemas(), "a task without a schema publishes none"
    monkeypatch.setattr(PluginManager, "discover", lambda: plugins)
    shown = CliRunner().invoke(main, ["schema", "task.light"])
    assert json.loads(shown.output)["required"] == ["bright"]
