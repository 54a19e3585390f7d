"""The playground in a real browser with a file as its camera, on a real server."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import fitsense
from fitsense.catalogue import LANGUAGES, load_catalogue
from fitsense.coach import Coach, Plan
from fitsense.events.model import Event
from fitsense.events.parsing import parse_event
from fitsense.events.schema import schemas
from fitsense.server.config import Limits, ServeConfig
from fitsense.server.playground import assets
from fitsense.server.security import Tokens
from fitsense.synthetic.figures import FigureVideo
from tests.conftest import encode
from tests.helpers.event_logs import WORKOUT, log, ndjson
from tests.helpers.live_server import PATIENCE_S, Running, ended, events_of, serving, until
from tests.server.api.test_routes import problem

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

TOKEN = "a-token.that_is-long~enough"
PHONE = {"width": 390, "height": 844}

Visit = Callable[..., "Page"]

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


class Line:
    """A line to a server that can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._cut = False
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self._cut = True
        for one in self._open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._cut:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._open += [near, far]
            threads = [threading.Thread(target=_carry, args=pair, daemon=True) for pair in ((near, far), (far, near))]
            for thread in threads:
                thread.start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError), source:
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def browser(squats: FigureVideo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium with a camera that shows a squatting figure."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("chromium is not installed")
    # The camera shows 30 pictures a second, whatever the file says.
    thrice = [attrs.evolve(frame, time_s=frame.time_s + part / 30.0) for frame in squats for part in range(3)]
    camera = encode(tmp_path_factory.mktemp("camera") / "squats.mjpeg", thrice, "mjpeg", "yuvj420p")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={camera}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """Opens pages, which must not load external resources, violate their policy, or raise errors."""
    troubles: list[str] = []

    with contextlib.ExitStack() as stack:

        def visit(url: str, query: str = "", **options: Any) -> Page:
            context = stack.enter_context(browser.new_context(**({"permissions": ["camera"]} | options)))
            context.set_default_timeout(PATIENCE_S * 1000)
            page = context.new_page()
            page.on("pageerror", lambda error: troubles.append(str(error)))
            page.on("request", lambda asked: None if _near(asked.url, url) else troubles.append(asked.url))
            page.on("console", lambda said: troubles.append(said.text) if "Policy" in said.text else None)
            page.goto(f"{url}/{query}")
            shows(page.locator("html[data-ready]"))
            return page

        yield visit
    assert troubles == []


def _near(asked: str, url: str) -> bool:
    return asked.startswith((f"{url}/", url.replace("http", "ws") + "/", "blob:"))


def expecting(locator: Locator) -> Any:
    from playwright.sync_api import expect

    expect.set_options(timeout=PATIENCE_S * 1000)
    return expect(locator)


def shows(locator: Locator, text: str | re.Pattern[str] = "") -> None:
    """Wait until it is there, and has a text."""
    expecting(locator).to_contain_text(text)


def numbers(page: Page) -> list[str]:
    """Ids of the events that the page shows, the oldest first."""
    ids: list[str] = page.locator(".event").evaluate_all("all => all.map((one) => one.dataset.id).reverse()")
    return ids


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


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_playground_page_is_translated(lang: str) -> None:
    page = assets()["index.html"].content.decode()
    body = re.sub(
        r"<(h1|option)\b.*?</\1>|<code>.*?</code>", "", page.partition("<body")[2].partition(">")[2], flags=re.DOTALL
    )
    texts = {text.strip() for text in re.findall(r">([^<>]+)<", body)} | set(re.findall(r'aria-label="([^"]*)"', body))
    signs = {"", "◐", "▶", "Token", "OpenAPI", "AsyncAPI", ",", ".", "0", "0:00", "0:00 / 0:00", "10 s"}
    translated = json.loads(assets()[f"facts.{lang}.json"].content)["texts"]
    assert texts - signs <= translated.keys()
    # The texts of the scripts: the first argument of t() and countOf(), and tables whose texts t() takes.
    asked = set()
    for name, asset in assets().items():
        if name.endswith(".js"):
            script = asset.content.decode()
            asked |= set(re.findall(r'\bt\(\s*"([^"]+)"', script)) | set(re.findall(r': t\("([^"]+)"\)', script))
            asked |= {f"{{n}} {one}{s}" for one in re.findall(r'countOf\([^"]+"(\w+)"\)', script) for s in ("", "s")}
    errors = assets()["errors.js"].content.decode()
    asked |= set(re.findall(r'"([A-Z][^"]{8,})"', errors.partition("/** Describe")[0]))
    asked |= set(re.findall(r"^  \"?([A-Z][\w ]+)\"?: \[$", assets()["coach.js"].content.decode(), re.MULTILINE))
    assert len(asked) > 70
    assert asked <= translated.keys()


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


def test_playground_files_have_types_headers_and_etags(running: Running) -> None:
    with running.client() as client:
        for name, asset in assets().items():
            answer = client.get("/" if name == "index.html" else f"/playground/{name}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, asset.media_type)
            assert answer.content == asset.content
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            known = client.get(answer.request.url, headers={"if-none-match": f"W/{answer.headers['etag']}"})
            assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", answer.headers["etag"])
        for path in ("/playground/routes.py", "/playground/__init__.py", "/playground/%2e%2e/routes.py"):
            problem(client.get(path), 404, "not-found")


def test_schemas_are_served(running: Running) -> None:
    with running.client() as client:
        for name, schema in schemas().items():
            answer = client.get(f"/schemas/v1/{name}")
            assert (answer.json(), answer.headers["content-type"]) == (schema, "application/schema+json")
        assert "exercise.started" in problem(client.get("/schemas/v1/nothing"), 404, "not-found")


def test_playground_and_schemas_need_no_token(model: fitsense.Model) -> None:
    with serving(model, tokens=Tokens([TOKEN])) as guarded, guarded.client() as client:
        for path in ("/", "/playground/app.js", "/schemas/v1/envelope"):
            assert client.get(path).status_code == 200
        problem(client.get("/v1/sessions"), 401, "unauthorized")


def test_playground_body_matches_reports() -> None:
    body = assets()["body.svg"].content.decode()
    facts = json.loads(assets()["facts.en.json"].content)
    drawn = set(re.findall(r'data-group="(\w+)"', body))
    assert {"quads", "glutes", "chest"} < drawn <= set(facts["muscle_groups"])
    assert "style" not in body
    assert facts["exercises"]["squat"] == "Squat"
    german = json.loads(assets()["facts.de.json"].content)
    assert (german["exercises"]["squat"], german["muscle_groups"]["chest"]) == ("Kniebeuge", "Brust")
    (listed,) = re.findall(r"^const LANGUAGES = (.*);$", assets()["app.js"].content.decode(), re.MULTILINE)
    assert tuple(json.loads(listed)) == LANGUAGES
    assert len(facts["scale"]["light"]) == len(set(facts["scale"]["dark"])) == 33
