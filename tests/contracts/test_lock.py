"""Changes of the public API need a version that announces them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest

import fitsense
from fitsense.plugins import _deprecation as deprecations
from fitsense.plugins import hookspecs, specs
from tests.contracts import lock
from tests.contracts.lock import Api, complaint

BEFORE = Api(
    fitsense="1.2.3",
    api_version=4,
    hooks={
        "Spec": "class",
        "Spec(name)": "required 1. str",
        "Spec(size)": "2. int = 1",
        "fitsense_specs": "hook -> Iterable[Spec]",
        "fitsense_seen": "hook -> None",
        "fitsense_seen(event)": "Event",
    },
    names={"load": "function -> Model", "load(path)": "required 1. str"},
    deprecated={"fitsense_seen": "…", "Spec.size": "…"},
)


def changed(
    names: Mapping[str, str | None] = {}, *, fitsense: str = "1.2.3", api: int = 4, hooks: Mapping[str, str | None] = {}
) -> Api:
    """Build an API with these versions and entries; None removes an entry."""

    def merged(old: Mapping[str, str], new: Mapping[str, str | None]) -> dict[str, str]:
        return {name: text for name, text in {**old, **new}.items() if text is not None}

    return attrs.evolve(
        BEFORE,
        fitsense=fitsense,
        api_version=api,
        hooks=merged(BEFORE.hooks, hooks),
        names=merged(BEFORE.names, names),
    )


def test_api_matches_lock() -> None:
    locked, current = Api.read(), Api.current()
    assert current == locked, complaint(locked, current) or f"the versions allow the change; record it: {lock.COMMAND}"


def test_deprecated_names_are_not_overdue() -> None:
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("fitsense_")]
    declared = [deprecation for hook in hooks if (deprecation := deprecations.of_hook(hook))]
    for value in vars(specs).values():
        if isinstance(value, type) and attrs.has(value):
            declared += deprecations.of_fields(value).values()
    assert [d for d in declared if d.removed_in <= fitsense.plugins.API_VERSION] == []


def test_current_api_has_hooks_specs_functions_and_classes() -> None:
    api = Api.current()
    assert api.hooks["fitsense_resolve_weights"] == "hook -> Path | None, the first that is not None"
    assert api.hooks["fitsense_resolve_weights(ref)"] == "WeightsRef"
    assert api.hooks["ClipSpec(rate_hz)"] == "required 2. float"
    assert api.hooks["FusionSpec(min_branches)"] == "5. int = 1"
    assert api.names["load_model(cascade)"] == "Cascade | None = None"
    assert api.names["RuntimeOptions(runtime)"] == "RuntimeName"
    assert api.names["PluginManager.discover"] == "class method -> PluginManager"
    assert "Session.push(rgb)" in api.names
    assert "InvalidInputError is a ValueError" in api.names
    assert {name for name in lock.public() if name not in {**api.hooks, **api.names}} == set()
    assert not any(" at 0x" in text for text in {**api.hooks, **api.names}.values())


@pytest.mark.parametrize(
    ("after", "says"),
    [
        # More of a hook or a name: the next minor version.
        (changed(hooks={"fitsense_new": "hook -> None"}), ["added: fitsense_new (hook -> None)", "at least to 1.3.0"]),
        (changed(hooks={"Spec(colour)": "3. str = ''"}), ["added: Spec(colour) (3. str = '')", "at least to 1.3.0"]),
        (changed({"watch": "function -> None"}, fitsense="1.2.4"), ["added: watch", "at least to 1.3.0"]),
        # What breaks plugins: the next plugin API and major version.
        (
            changed(hooks={"Spec(colour)": "required 3. str"}),
            [
                "added and required: Spec(colour)",
                "API_VERSION in fitsense/plugins/specs/info.py to 5",
                "1.2.3, to 2.0.0",
            ],
        ),
        (
            changed(hooks={"Spec(name)": "required 2. str"}, fitsense="2.0.0"),
            ["changed: Spec(name): was (required 1. str), is (required 2. str)", "raise API_VERSION"],
        ),
        (
            changed(hooks={"fitsense_seen": None, "fitsense_seen(event)": None}, fitsense="1.3.0", api=5),
            ["removed: fitsense_seen (hook -> None)", "removed: fitsense_seen(event) (Event)", "to 2.0.0"],
        ),
        (changed(api=5), ["raise fitsense's version, 1.2.3, to 2.0.0"]),
        # What breaks programs: the next major version.
        (changed({"load": None}, fitsense="1.3.0"), ["removed: load (function -> Model)", "1.2.3, to 2.0.0"]),
        # Undeprecated names stay in any version.
        (
            changed(hooks={"fitsense_specs": None}, fitsense="2.0.0", api=5),
            ["removed without notice: fitsense_specs", "first deprecated"],
        ),
        (
            changed(hooks={"Spec(name)": None}, fitsense="2.0.0", api=5),
            ["removed without notice: Spec(name)", "first deprecated"],
        ),
    ],
)
def test_complaint_change_without_version_names_remedy(after: Api, says: list[str]) -> None:
    message = complaint(BEFORE, after)
    assert [part for part in says if part not in message] == [], message
    assert lock.COMMAND in message


@pytest.mark.parametrize(
    "after",
    [
        BEFORE,
        changed(fitsense="1.2.4"),
        changed(hooks={"fitsense_new": "hook -> None"}, fitsense="1.3.0"),
        changed({"watch": "function -> None"}, fitsense="2.0.0"),
        changed(hooks={"fitsense_seen": None, "fitsense_seen(event)": None}, fitsense="2.0.0", api=5),
        changed(hooks={"Spec(size)": None}, fitsense="2.0.0", api=5),
        changed(hooks={"fitsense_seen(event)": None}, fitsense="2.0.0.dev1", api=5),
        changed(hooks={"Spec": None, "Spec(name)": None, "Spec(size)": None}, fitsense="2.0.0", api=5),
        changed({"load": None, "load(path)": None}, fitsense="2.0.0"),
    ],
)
def test_complaint_change_with_version_is_empty(after: Api) -> None:
    assert complaint(BEFORE, after) == ""


def test_complaint_addition_needs_smaller_version_than_removal() -> None:
    new = complaint(BEFORE, changed({"watch": "function -> None"}))
    gone = complaint(BEFORE, changed({"load": None}))
    assert ("1.3.0" in new, "2.0.0" in new) == (True, False)
    assert ("1.3.0" in gone, "2.0.0" in gone) == (False, True)
    assert "API_VERSION" not in new + gone


def test_complaint_before_1_0_uses_minor_version() -> None:
    before = attrs.evolve(BEFORE, fitsense="0.2.1")
    assert "at least to 0.2.2" in complaint(before, changed({"watch": "function -> None"}, fitsense="0.2.1"))
    assert "0.2.1, to 0.3.0" in complaint(before, changed({"load": None}, fitsense="0.2.2"))
    assert complaint(before, changed({"load": None}, fitsense="0.3.0")) == ""


def test_lock_command_writes_only_allowed_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "api.json"
    assert lock.main(["--write"], file) == 0
    assert Api.read(file) == Api.current()
    assert lock.main([], file) == 0
    Api.current().write(file)
    less = {name: text for name, text in Api.current().names.items() if not name.startswith("analyze_async")}
    attrs.evolve(Api.current(), names=less).write(file)
    assert lock.main(["--write"], file) == 1
    assert "added: analyze_async (function" in capsys.readouterr().err
    assert Api.read(file) != Api.current()
    assert lock.main(["--write", "--unreleased"], file) == 0
    assert Api.read(file) == Api.current()


def test_version_is_equal_everywhere() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["version"] == fitsense.__version__
