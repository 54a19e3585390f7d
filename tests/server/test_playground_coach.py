"""The playground's coach, in a real browser and beside the Python coach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs

from fitsense.catalogue import load_catalogue
from fitsense.coach import Coach, Plan
from fitsense.events.model import Event
from fitsense.events.parsing import parse_event
from tests.helpers.browser import Visit, expecting, shows
from tests.helpers.event_logs import WORKOUT, log, ndjson
from tests.helpers.live_server import Running


def test_playground_coach_follows_plan(running: Running, visit: Visit, tmp_path: Path) -> None:
    page = visit(running.url, query="?lang=en", reduced_motion="reduce")
    # What would be said aloud.
    page.evaluate("() => { window.said = []; speechSynthesis.speak = (words) => said.push(words.text); }")
    coach = page.get_by_role("region", name="Coach")
    expecting(coach.get_by_role("button", name="Next set")).to_be_hidden()
    coach.get_by_role("combobox", name="Plan").select_option("Quick start")
    shows(coach.locator("#cue"), "Begin with Squat.")
    steps = coach.get_by_role("listitem")
    shows(steps.nth(0), "0 of 1 sets")
    expecting(steps.nth(0)).to_have_attribute("aria-current", "step")

    (tmp_path / "events.ndjson").write_bytes(ndjson(log(WORKOUT[:1], warnings=())))
    page.locator("#events-file").set_input_files(tmp_path / "events.ndjson")
    coach.get_by_role("checkbox", name="Speak").check()
    position = page.get_by_role("slider", name="Position")
    # The third of five repetitions ends at 11.5 s.
    position.fill("11.6")
    shows(coach.locator("#cue"), "Squat: 2 to go")
    shows(coach.locator("#set-progress"), "3 of 5")
    assert page.evaluate("said") == [], "nothing is said while the position is moved"
    page.get_by_role("combobox", name="Speed").select_option("8")
    page.get_by_role("button", name="Play").click()
    shows(steps.nth(0), "1 of 1 sets")
    page.wait_for_function("said.includes('5')")
    expecting(steps.nth(1)).to_have_attribute("aria-current", "step")
    coach.get_by_role("button", name="Skip exercise").click()
    shows(coach.locator("#cue"), "The plan is done.")
    expecting(coach.get_by_role("button", name="Next set")).to_be_disabled()
    # Earlier positions and other plans begin anew.
    position.press("Home")
    shows(steps.nth(0), "0 of 1 sets")
    coach.get_by_role("combobox", name="Plan").select_option("Whole body")
    for place, sets in ((0, "1 of 2 sets"), (0, "2 of 2 sets"), (1, "1 of 2 sets")):
        coach.get_by_role("button", name="Next set").click()
        shows(steps.nth(place), sets)
    coach.get_by_role("combobox", name="Plan").select_option("No plan")
    expecting(coach.get_by_role("button", name="Next set")).to_be_hidden()


def test_playground_coach_gives_cues_of_python_coach(running: Running, visit: Visit) -> None:
    plans: list[list[dict[str, Any]]] = [
        [{"exercise": "squat", "repetitions": 5, "sets": 2, "rest_s": 20.0}, {"exercise": "row", "repetitions": 3}],
        [{"exercise": "bench_press", "repetitions": 6, "rest_s": 5.0}, {"exercise": "plank", "hold_s": 5.0}],
        [
            {"exercise": "squat", "hold_s": 8.0, "sets": 3, "rest_s": 10.0},
            {"exercise": "barbell_squat", "repetitions": 1},
        ],
    ]
    # With times to the millisecond, as the coach in Python reads them.
    events = [event.to_dict() for one in log() if isinstance(event := parse_event(one), Event)]
    page = visit(running.url)
    for exercises in plans:
        plan = Plan.from_dicts(exercises)
        coach = Coach(plan)
        expected = [
            {"kind": type(cue).__name__, **{key: value for key, value in attrs.asdict(cue).items() if key != "pace"}}
            for event in events
            for cue in coach.push(event)
        ]
        catalogue = load_catalogue().exercises
        groups = {one.exercise: catalogue[one.exercise].group for one in plan.exercises if one.exercise in catalogue}
        cues = page.evaluate(
            """async ({ plan, groups, events }) => {
                const { Coach } = await import("/playground/coach.js");
                const coach = new Coach(plan, groups);
                return events.flatMap((event) => coach.push(event));
            }""",
            {"plan": [attrs.asdict(one) for one in plan.exercises], "groups": groups, "events": events},
        )
        assert len(expected) > 3
        assert cues == expected
