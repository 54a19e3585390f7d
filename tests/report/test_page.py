"""The HTML report: self-contained, valid markup, and its layout in a real browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fitsense.catalogue import LANGUAGES, load_catalogue, locale_of
from fitsense.events.log import read_log
from fitsense.report.page import page, ticks
from fitsense.report.scale import colour
from fitsense.report.totals import Report, reports_of
from tests.helpers.doc_pages import ROOT
from tests.helpers.event_logs import WORKOUT, Done, log, ndjson
from tests.helpers.html import Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

# Lays the page out as wide as a phone and as a desktop, and reports what is visible.
PROBE = """<!doctype html><html><body>
<iframe id="phone" style="width: 390px; height: 800px" srcdoc="{page}"></iframe>
<iframe id="desktop" style="width: 1280px; height: 900px" srcdoc="{page}"></iframe>
<pre id="out"></pre>
<script>
function look(frame) {{
  const page = frame.contentDocument, root = page.documentElement;
  const visible = element => {{ const box = element.getBoundingClientRect(); return box.width > 0 && box.height > 0; }};
  const fills = {{}}, faint = [];
  for (const region of page.querySelectorAll("[data-group]"))
    if ([...region.querySelectorAll("path")].every(visible)) {{
      fills[region.dataset.group] = getComputedStyle(region).fill;
      if (Number(getComputedStyle(region).fillOpacity) < 0.5) faint.push(region.dataset.group);
    }}
  return {{
    loaded: frame.contentWindow.performance.getEntriesByType("resource").length,
    cut: [...page.querySelectorAll(".timeline rect, .timeline text, tr > :nth-child(3)")]
      .filter(visible).filter(part => part.getBoundingClientRect().right > root.clientWidth + 1).length,
    across: root.scrollWidth - root.clientWidth,
    rows: [...page.querySelectorAll("tbody tr")].filter(visible)
      .map(row => [...row.cells].map(c => c.innerText.trim())),
    repetitions: [...page.querySelectorAll("rect.repetition")].filter(visible).length,
    labels: [...page.querySelectorAll(".timeline .name")].filter(visible).map(label => label.textContent),
    fills: fills, faint: faint,
    outside: [...page.querySelectorAll("td")]
      .filter(cell => cell.getBoundingClientRect().right > root.clientWidth).length,
    below: page.querySelector(".loads").getBoundingClientRect().top
      > page.querySelector(".fitsense-body").getBoundingClientRect().bottom,
  }};
}}
addEventListener("load", () => {{
  const out = {{}};
  for (const frame of document.querySelectorAll("iframe")) out[frame.id] = look(frame);
  document.getElementById("out").textContent = JSON.stringify(out);
}});
</script></body></html>"""


def reports(*events: dict[str, Any]) -> list[Report]:
    return reports_of(read_log(ndjson(events).split(b"\n")))


@pytest.fixture(scope="module")
def made() -> str:
    return page(reports(*log()), "monday.ndjson")


def test_page_has_no_external_references_and_no_script(made: str) -> None:
    parsed = Page(made)
    for tag in ("link", "script", "img", "iframe"):
        assert not parsed.all(tag)
    for _, attributes in parsed.elements:
        assert "src" not in attributes
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in made
    assert set(re.findall(r"https?://[^\"< ]*", made)) == {"http://www.w3.org/2000/svg"}


def test_page_is_accessible(made: str) -> None:
    parsed = Page(made)
    for picture in parsed.all("svg"):
        assert picture["role"] in ("img", "group")
        assert picture["aria-label"]
    assert all(header["scope"] in ("row", "col") for header in parsed.all("th"))
    regions = [attributes for _, attributes in parsed.elements if "data-group" in attributes]
    assert all(region["role"] == "img" and region["aria-label"] for region in regions)


def test_page_timeline_has_repetitions_rests_and_warnings(made: str) -> None:
    parsed = Page(made)
    classes = [attributes.get("class") for _, attributes in parsed.elements]
    assert classes.count("repetition") == sum(len(done.tempi) for done in WORKOUT)
    assert classes.count("set") == len(WORKOUT)
    assert classes.count("rest") == len(WORKOUT) - 1
    assert classes.count("warning") == 2
    for words in ("Squat, repetition 2: 2.5 s from 0:06", "Rest of 45.0 s", "1:02: the picture changed"):
        assert words in parsed.words


def test_page_names_are_escaped() -> None:
    bad = "<script>alert('x')</script>&"
    events = log(source=f"file:{bad}", subject=bad, warnings=[("odd", bad, 1.0, 2.0)])
    made = page(reports(*events), f"{bad}.ndjson")
    assert "<script" not in made
    assert bad in Page(made).words


def test_page_groups_without_picture_are_in_table() -> None:
    events = log()
    events[-1]["data"]["muscle_load_s"]["neck"] = 100.0
    words = Page(page(reports(*events), "neck.ndjson")).words
    assert "neck100.0 s" in words
    assert "Quads: 23.7 s" in words


def test_page_empty_session_is_rendered() -> None:
    events = log((), warnings=())
    events[-1]["data"]["muscle_load_s"] = {}
    words = Page(page(reports(*events), "empty.ndjson")).words
    for said in ("No exercise in 3.0 s", "There is no set.", "There is no load."):
        assert said in words


def test_page_has_one_section_per_session() -> None:
    made = page(reports(*log(subject="Anna"), *log(WORKOUT[2:4], subject="Björn", warnings=())), "two.ndjson")
    parsed = Page(made)
    ids = [attributes["id"] for _, attributes in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert [link["href"] for link in parsed.all("a")] == ["#session1", "#session2"]
    assert all((link["href"] or "")[1:] in ids for link in parsed.all("a"))
    assert made.count('class="fitsense-body"') == 2


@pytest.mark.parametrize("span_s", [0.0, 0.4, 7.0, 61.0, 3600.0, 90_000.0, 1e8])
@pytest.mark.parametrize("start_s", [-3.0, 0.0, 1234.5])
def test_ticks_any_span_are_few_and_inside(start_s: float, span_s: float) -> None:
    made = ticks(start_s, start_s + span_s)
    assert len(made) <= 11
    assert all(start_s <= tick <= start_s + span_s for tick in made)
    assert span_s < 1 or made


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("dark", [False, True])
def test_page_browser_offline_renders(made: str, dark: bool, tmp_path: Path) -> None:
    (tmp_path / "probe.html").write_text(PROBE.format(page=html.escape(made)), "utf-8")
    assert BROWSER is not None
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--host-resolver-rules=MAP * ~NOTFOUND", f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--dump-dom", (tmp_path / "probe.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout)
    assert found is not None
    visible = json.loads(html.unescape(found[1]))
    sets = [[one, index] for one, index in (("Squat", "1"), ("Squat", "2"), ("Bench press", "1"), ("Bench press", "2"))]
    load = reports(*log())[0].load_s
    most = max(load.values())
    for width in ("phone", "desktop"):
        layout = visible[width]
        assert (layout["loaded"], layout["across"]) == (0, 0)
        # Neither the timeline nor the tables need scrolling.
        assert (layout["cut"], layout["outside"]) == (0, 0)
        assert [row[:2] for row in layout["rows"][:4]] == sets
        assert ["Quads", "23.7 s", "8.6"] in layout["rows"]
        assert layout["repetitions"] == 21
        assert layout["labels"] == ["Squat", "Bench press", "Row", "Warnings"]
        assert len(layout["fills"]) == 17
        for group, value in load.items():
            assert layout["fills"][group] == rgb(colour(value / most, dark=dark)), group
        drawn = {group: value for group, value in load.items() if group in layout["fills"]}
        assert set(layout["faint"]) == {group for group, value in drawn.items() if value < 0.05 * most} != set()
    assert (visible["phone"]["below"], visible["desktop"]["below"]) == (True, False)


def rgb(name: str) -> str:
    red, green, blue = (int(name[index : index + 2], 16) for index in (1, 3, 5))
    return f"rgb({red}, {green}, {blue})"


def test_page_other_language_has_its_names() -> None:
    made = page(reports(*log()), "log", load_catalogue("de"))
    assert '<html lang="de">' in made
    for name in ("Kniebeuge", "Bankdrücken", "Rudern", "Quadrizeps", "Brust"):
        assert name in made
    for name in ("Squat", "Bench press", "Quads"):
        assert name not in made


def test_page_extra_exercises_are_named() -> None:
    extra = {"exercises": {"sled_push": {"name": "Sled push", "muscles": ["quads"]}}}
    sled = Done("sled_push", (2.0, 2.0), 5.0, {"quads": 0.5})
    assert "Sled push" in page(reports(*log((sled,))), "log", load_catalogue(extra=extra))


REPORT = ROOT / "fitsense" / "report"


def texts() -> set[str]:
    """The texts that the report translates, as its templates and modules have them."""
    templates = "".join(file.read_text("utf-8") for file in (REPORT / "templates").glob("*.html"))
    modules = "".join(file.read_text("utf-8") for file in REPORT.glob("*.py"))
    found = re.findall(r'"([^"]+)" \| translate', templates)
    found += [text for _, text in re.findall(r"""translate\(\s*(["'])(.+?)\1""", modules)]
    # Short headings of the terminal.
    found += ["Reps", "Tension", "Rest"]
    return {*found, "front", "back", "Front", "Back", *PLURALS}


PLURALS = {f"{{n}} {what}{end}" for what in ("exercise", "repetition", "set", "warning") for end in ("", "s")}


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_locale_texts_match_report_and_fields(lang: str) -> None:
    translated = locale_of(lang)["texts"]
    assert translated.keys() == texts()
    for text, other in translated.items():
        assert set(re.findall(r"{(\w+)}", text)) == set(re.findall(r"{(\w+)}", other)), text


@pytest.mark.parametrize("lang", LANGUAGES[1:])
def test_page_other_language_has_no_english_text(lang: str) -> None:
    made = html.unescape(page(reports(*log()), "log", load_catalogue(lang)))
    same = {text for text, other in locale_of(lang)["texts"].items() if other.startswith(text)}
    shown = {text.strip() for text in re.findall(r">([^<]+)<", made)} | set(re.findall(r'aria-label="([^"]*)"', made))
    # Such as "Tempo", Italian for "Time".
    translations = set(locale_of(lang)["texts"].values())
    assert shown & (texts() - same - translations) == set()


def test_page_has_a_table_of_plugins_tasks() -> None:
    extensions = {
        "form_quality": {"kind": "one_of_many", "values": {"good": 0.82, "shallow": 0.18}, "label": "good"},
        "faults": {"kind": "many_of_many", "values": {"glare": 0.7, "noise": 0.1}},
        "effort": {"kind": "regression", "values": {"effort": 7.5}, "unit": "RPE"},
    }
    events = [json.loads(line) for line in ndjson(log(WORKOUT)).splitlines()]
    ended = next(event["data"] for event in events if event["type"] == "fitsense.exercise.ended")
    ended["extensions"] = extensions
    text = page(reports_of(read_log(map(json.dumps, events))), "log")
    assert "<h3>Other values</h3>" in text
    for cell in ("good (82%)", "glare (70%)", "7.5 RPE"):
        assert f">{cell}</td>" in text
    assert "Other values" not in page(reports_of(read_log(ndjson(log(WORKOUT)).splitlines())), "log")
