"""The playground in a real browser with a file as its camera, on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import fitsense
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.security import Tokens
from tests.helpers.browser import TOKEN, Line, Visit, expecting, numbers, shows
from tests.helpers.event_logs import WORKOUT, log, ndjson
from tests.helpers.live_server import Running, ended, events_of, serving, until

PHONE = {"width": 390, "height": 844}


# The texts of a page that have less contrast with what is behind them than WCAG 2 asks for.
TOO_FAINT = """
() => {
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = parts(colour).map((value) => linear(value / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0.5) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest("svg, :disabled")) continue;
    const [low, high] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) faint.push(text);
  }
  return faint;
}
"""


def test_playground_camera_connection_breaks_analysis_continues(running: Running, visit: Visit) -> None:
    line = Line(running.port)
    page = visit(f"http://127.0.0.1:{line.port}")
    page.get_by_role("button", name="Use the camera").click()
    now = page.get_by_role("region", name="Now")
    shows(now.locator("#exercise"), "Squat")
    shows(now.locator("#scores li").first, re.compile(r"Squat.*\d+\s%"))
    line.cut()
    status = page.get_by_role("status")
    shows(status, "The connection is lost")
    known = len(numbers(page))
    line.mend()
    shows(status, "The camera is analysed")
    expecting(page.locator(".event").nth(known + 3)).to_be_attached()
    shows(page.locator("#repetitions"), re.compile("[1-9]"))
    expecting(page.get_by_role("img", name=re.compile(r"Quads: \d+\.\d\ss \(front\)"))).to_have_class("load")
    page.get_by_role("button", name="Stop").click()
    shows(now.locator("#exercise"), "Finished")
    line.close()
    with running.client() as client:
        session = client.get("/v1/sessions").json()["sessions"][-1]
        events = events_of(client.get(f"/v1/sessions/{session['id']}/events.ndjson").text)
    assert (session["mode"], ended(events)["reason"]) == ("push", "finished")
    assert numbers(page) == [event["id"] for event in events]
    assert "Squat" in (page.get_by_role("img", name="Timeline").get_attribute("aria-label") or "")


def test_playground_video_is_analysed_saved_and_replayed(
    running: Running, squats_file: Path, visit: Visit, tmp_path: Path
) -> None:
    page = visit(running.url)
    page.locator("#video-file").set_input_files(squats_file)
    shows(page.get_by_role("status"), re.compile(r"squats\.mp4: \d+ events"))
    position = page.get_by_role("slider", name="Position")
    position.press("End")
    shows(page.locator("#exercise"), "Finished")
    expecting(page.get_by_role("row", name=re.compile("Squat 3 "))).to_be_visible()
    shows(page.locator(".segment"), "Squat")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save").click()
    saved = tmp_path / "saved.ndjson"
    saving.value.save_as(saved)
    events = events_of(saved.read_text("utf-8"))
    assert ended(events)["reason"] == "finished"
    assert numbers(page) == [event["id"] for event in events]
    shows(page.locator(".event").first, "session.ended")
    page.locator(".event summary").first.click()
    assert json.loads(page.locator(".event pre").inner_text()) == events[-1]
    links = page.get_by_role("link", name="Schema of").evaluate_all("all => [...new Set(all.map((one) => one.href))]")
    with running.client() as client:
        schemas = {client.get(link).json()["$id"] for link in links}
    assert schemas == {event["dataschema"] for event in events}

    page.get_by_role("button", name="Start over").click()
    page.locator("#events-file").set_input_files(saved)
    page.get_by_role("combobox", name="Speed").select_option("8")
    shows(page.locator("#exercise"), "Finished")
    assert numbers(page) == [event["id"] for event in events]
    assert page.locator("#repetitions").inner_text() == "3"
    position.press("Home")
    shows(page.locator("#count"), re.compile("^1$"))
    assert page.locator("#exercise").inner_text() == "No exercise"
    page.get_by_role("combobox", name="Speed").select_option("2")
    page.get_by_role("button", name="Play").click()
    shows(page.locator("#exercise"), "Squat")


@pytest.mark.parametrize(
    ("address", "locale", "name"), [("", "de-AT", "Bankdrücken"), ("?lang=fr", "de-DE", "Développé couché")]
)
def test_playground_names_follow_address_or_browser_language(
    running: Running, visit: Visit, tmp_path: Path, address: str, locale: str, name: str
) -> None:
    (tmp_path / "events.ndjson").write_bytes(ndjson(log(WORKOUT[2:3], warnings=())))
    page = visit(running.url, query=address, locale=locale)
    page.locator("#events-file").set_input_files(tmp_path / "events.ndjson")
    page.get_by_role("slider", name="Position").press("End")
    shows(page.locator(".segment"), name)


def test_playground_texts_follow_the_language(running: Running, visit: Visit, tmp_path: Path) -> None:
    page = visit(running.url, query="?lang=de")
    expecting(page.get_by_role("button", name="Kamera verwenden")).to_be_visible()
    expecting(page.locator("html")).to_have_attribute("lang", "de")
    (tmp_path / "events.ndjson").write_text("".join(_story()))
    page.locator("#events-file").set_input_files(tmp_path / "events.ndjson")
    page.get_by_role("slider", name="Position").press("End")
    shows(page.locator("#exercise"), "Fertig")
    shows(page.get_by_role("region", name="Sitzung"), "Wiederholungen")


def test_playground_errors_are_shown(
    model: fitsense.Model, running: Running, squats_file: Path, visit: Visit, tmp_path: Path
) -> None:
    line = Line(running.port)
    page = visit(f"http://127.0.0.1:{line.port}", permissions=[])
    alert = page.get_by_role("alert")
    page.get_by_role("button", name="Use the camera").click()
    shows(alert, "The camera was refused")
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    page.locator("#video-file").set_input_files(text)
    shows(alert, "This file cannot be read as a video")
    text = tmp_path / "broken.ndjson"
    text.write_text('{"specversion":"1.0"}\n')
    page.locator("#events-file").set_input_files(text)
    shows(alert, "Expected one event per line as JSON, got another line 1 in broken.ndjson")
    line.cut()
    page.locator("#video-file").set_input_files(squats_file)
    shows(alert, "The server does not answer")
    line.mend()
    alert.get_by_role("button", name="Try again").click()
    shows(page.get_by_role("status"), re.compile(r"squats\.mp4: \d+ events"))
    expecting(alert).to_be_hidden()
    line.close()

    with serving(model, ServeConfig(limits=Limits(sessions=1)), Tokens([TOKEN])) as guarded:
        page = visit(guarded.url)
        dialog = page.get_by_role("dialog", name="This server requires a token")
        for token in ("another-token-of-nobody", TOKEN):
            dialog.get_by_label("Token").fill(token)
            dialog.get_by_role("button", name="Use it").click()
            if token != TOKEN:
                shows(dialog, "refuses this token")
        expecting(dialog).to_be_hidden()
        with guarded.client(headers={"authorization": f"Bearer {TOKEN}"}) as client:
            other = client.post("/v1/sessions", json={}).json()["id"]
            page.get_by_role("button", name="Use the camera").click()
            shows(page.get_by_role("alert"), "The server has too many sessions")
            assert client.delete(f"/v1/sessions/{other}").status_code == 200
            page.get_by_role("button", name="Try again").click()
            shows(page.locator(".event").first, "session.started")
            page.reload()
            # Leaving the page ends the session.
            until(lambda: all(one["state"] == "ended" for one in client.get("/v1/sessions").json()["sessions"]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_playground_phone_keyboard_and_reduced_motion_work(
    running: Running, scheme: str, visit: Visit, tmp_path: Path
) -> None:
    page = visit(running.url, viewport=PHONE, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate(TOO_FAINT) == []
    page.keyboard.press("Tab")
    expecting(page.get_by_role("link", name="To the content")).to_be_focused()
    other = "Use light theme" if scheme == "dark" else "Use dark theme"
    for name in (other, "Use the camera"):
        page.keyboard.press("Tab")
        expecting(page.get_by_role("button", name=name)).to_be_focused()
    events = tmp_path / "events.ndjson"
    events.write_text("".join(_story()))
    page.locator("#events-file").set_input_files(events)
    shows(page.locator("#count"), "1")
    play = page.get_by_role("button", name="Play")
    expecting(play).to_be_visible()
    page.get_by_role("slider", name="Position").press("End")
    shows(page.locator("#exercise"), "Finished")
    page.locator(".event summary").first.press("Enter")
    shows(page.locator(".event pre"), '"muscle_load_s"')
    assert page.evaluate(TOO_FAINT) == []
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    theme = page.locator("html")
    page.get_by_role("button", name=other).press("Enter")
    chosen = "Use dark theme" if scheme == "dark" else "Use light theme"
    expecting(page.get_by_role("button", name=chosen)).to_be_visible()
    expecting(theme).to_have_attribute("data-theme", "light" if scheme == "dark" else "dark")
    page.reload()
    expecting(theme).to_have_attribute("data-theme", "light" if scheme == "dark" else "dark")


def _story() -> Iterator[str]:
    """The schemas' examples as the lines of a session, two seconds apart."""
    folder = resources.files("fitsense.schemas").joinpath("v1/examples/valid")
    names = ("session.started", "exercise.started", "muscles.activated", "repetition.completed", "exercise.updated")
    for number, name in enumerate((*names, "session.warning", "exercise.ended", "session.ended")):
        event = json.loads(folder.joinpath(f"{name}.json").read_text("utf-8"))
        place = f"{number:010d}"
        yield json.dumps(event | {"id": place, "sequence": place, "time": f"1970-01-01T00:00:{2 * number:02d}Z"}) + "\n"
