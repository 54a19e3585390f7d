// The page: connects sources of events with the views.

import * as api from "./api.js";
import { Body } from "./body-map.js";
import { CoachView } from "./coach-view.js";
import { Pusher, closeCamera, openCamera } from "./camera.js";
import { showSummary } from "./summary.js";
import { PlainClock, VideoClock } from "./clock.js";
import { make, one } from "./dom.js";
import { Log, save } from "./log.js";
import { SessionState, Times, parseEvents } from "./session-state.js";
import { Timeline } from "./timeline.js";
import { hideProblem, showProblem, describeError } from "./errors.js";
import { countOf, setNames, t, time, warningText } from "./format.js";

// Languages with a file facts.LANGUAGE.json.
const LANGUAGES = ["en", "de", "es", "fr", "pt", "it", "zh", "ja"];
const TICK_MS = 100;
// Tolerance for rounded media times, of events and of the browser.
const SLACK_S = 0.05;
const LIVE_HOP_S = 0.5;
const LIVE_STEP_S = 30;
const NAME = "fitsense playground";

const video = one("video");
const timeline = new Timeline();
const log = new Log();
const coach = new CoachView();
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let body = null;
let run = null;

/** The current run: a session of a camera, of a file, or a replay. */
class Run {
  constructor(kind, name, again) {
    this.kind = kind;
    this.name = name;
    this.again = again;
    this.stopping = new AbortController();
    this.entries = [];
    this.times = new Times();
    this.subjects = new Set();
    this.subject = null;
    this.clock = null;
    this.complete = false;
    this.id = null;
    this.stream = null;
    this.pusher = null;
    this.forget();
  }

  get signal() {
    return this.stopping.signal;
  }

  get live() {
    return this.kind === "camera" && !this.complete;
  }

  /** The position of the page; events up to it are shown. */
  get at_s() {
    if (this.live || (this.complete && this.clock?.ended)) return Infinity;
    return (this.clock?.time ?? 0) + SLACK_S;
  }

  forget() {
    this.all = new SessionState();
    for (const entry of this.entries) this.#record(this.all, entry);
    this.rewind();
  }

  rewind() {
    this.shown = new SessionState();
    this.next = 0;
  }

  take(event) {
    const entry = { event, emitted_s: this.times.of(event) };
    this.entries.push(entry);
    if (event.subject) {
      this.subjects.add(event.subject);
      this.subject ??= event.subject;
    }
    this.#record(this.all, entry);
  }

  /** Advance to the position of the page. Calls `onRewind` before a restart and `onEntry` with each entry; returns whether anything changed. */
  advance(onRewind, onEntry) {
    const { at_s } = this;
    const before = this.next;
    const back = before > 0 && this.entries[before - 1].emitted_s > at_s;
    if (back) {
      this.rewind();
      onRewind();
    }
    for (; this.next < this.entries.length && this.entries[this.next].emitted_s <= at_s; this.next += 1) {
      this.#record(this.shown, this.entries[this.next]);
      onEntry(this.entries[this.next]);
    }
    return back || this.next !== before;
  }

  #record(state, { event, emitted_s }) {
    if (!event.subject || event.subject === this.subject) state.add(event, emitted_s);
  }
}

function say(text, kind = "") {
  if (one("status").textContent !== text) one("status").textContent = text;
  one("status").dataset.kind = kind;
}

function begin(kind, name, again) {
  leave();
  hideProblem();
  run = new Run(kind, name, again);
  document.body.dataset.mode = kind;
  one("chooser").hidden = true;
  one("over").hidden = false;
  one("over").textContent = kind === "camera" ? t("Stop") : t("Start over");
  one("over").focus();
  document.title = `${name} – ${NAME}`;
  clear();
  return run;
}

/** End the current run. */
function leave() {
  if (!run) return;
  const left = run;
  run = null;
  left.stopping.abort();
  left.pusher?.finish();
  if (left.id && !left.complete) api.endSession(left.id).catch(() => {});
  if (left.stream) closeCamera(left.stream);
  if (video.src) URL.revokeObjectURL(video.src);
  video.srcObject = null;
  video.removeAttribute("src");
  video.load();
}

function idle() {
  leave();
  hideProblem();
  document.body.dataset.mode = "idle";
  document.title = NAME;
  for (const id of ["over", "video", "blank", "badge", "transport", "warning", "who"]) one(id).hidden = true;
  one("chooser").hidden = false;
  one("use-camera").focus();
  clear();
  say("");
}

function clear() {
  one("speed").value = "1";
  one("seek").value = "0";
  one("who").hidden = true;
  one("save").disabled = true;
  for (const id of ["video", "blank", "badge", "transport"]) one(id).hidden = true;
  rewound();
  drawState();
}

/** Add an event; events of earlier runs are ignored. */
function take(of, event) {
  if (of !== run) return;
  const known = of.subjects.size;
  of.take(event);
  one("save").disabled = false;
  if (of.subjects.size !== known) showSubjects();
  if (event.data?.code === "dropped_frames") of.pusher?.slower();
  drawTimeline();
  draw();
}

function showSubjects() {
  one("who").hidden = run.subjects.size < 2;
  one("subject").replaceChildren(...[...run.subjects].map((name) => make("option", { value: name }, name)));
  one("subject").value = run.subject;
}

function drawState() {
  const state = run?.shown ?? new SessionState();
  showSummary(state, Boolean(run?.next));
  body?.show(state.load);
  drawTimeline();
}

function drawTimeline() {
  const state = run?.all ?? new SessionState();
  const length_s = run?.live ? Math.ceil((state.end_s + 1) / LIVE_STEP_S) * LIVE_STEP_S : (run?.clock?.duration ?? 0);
  timeline.show(state, length_s);
  point();
}

function point() {
  const none = !run?.clock || run.live;
  timeline.point(none ? null : run.clock.time);
}

function draw() {
  if (!run) return;
  if (run.advance(rewound, passed)) {
    showSummary(run.shown, true);
    body?.show(run.shown.load);
  }
  showWarning();
}

function rewound() {
  log.clear();
  coach.restart();
}

function passed(entry) {
  log.add(entry);
  const { subject } = entry.event;
  if (!subject || subject === run.subject) coach.push(entry.event, run.live || Boolean(run.clock?.playing));
}

function showWarning() {
  const at_s = Number.isFinite(run.at_s) ? run.at_s : run.live ? (run.pusher?.elapsedS ?? 0) : run.all.end_s + 60;
  const warning = run.shown.warning(at_s);
  one("warning").hidden = !warning;
  const text = warning ? warningText(warning) : "";
  if (one("warning").textContent !== text) one("warning").textContent = text;
}

function tick() {
  if (!run) return;
  draw();
  const { clock, pusher } = run;
  coach.tick(run.live ? pusher?.elapsedS : clock?.time, true);
  one("transport").hidden = !clock || run.live;
  one("badge").hidden = !run.live || !pusher;
  if (pusher && run.live) one("badge").textContent = t("Live {time}", { time: time(pusher.elapsedS) });
  if (!clock) return;
  if (Math.abs(clock.duration - Number(one("seek").max)) > 0.01) {
    one("seek").max = String(clock.duration);
    drawTimeline();
  }
  const position = `${time(clock.time)} / ${time(clock.duration)}`;
  if (document.activeElement !== one("seek") || clock.playing) one("seek").value = String(clock.time);
  one("seek").setAttribute("aria-valuetext", t("{at} of {length}", { at: time(clock.time), length: time(clock.duration) }));
  one("clock").textContent = position;
  one("play").setAttribute("aria-label", clock.playing ? t("Pause") : t("Play"));
  one("play").firstElementChild.textContent = clock.playing ? "❚❚" : "▶";
  point();
}

/** Show the error of a run, and end it. */
async function failed(of, error) {
  if (of !== run || error.name === "AbortError") return;
  of.stopping.abort();
  of.pusher?.finish();
  if (error instanceof api.Problem && error.status === 401) {
    say(t("Token required."));
    askForToken(of.again);
    return;
  }
  let words = describeError(error);
  if (of.kind === "file" && !of.entries.length && error instanceof api.Unreachable && (await answers())) {
    words = [
      t("The server broke off the upload"),
      t("It may have as many sessions as it takes, or the file may be too large. Try again in a moment."),
    ];
  }
  if (of !== run) return;
  if (of.entries.length) settle(of);
  else idle();
  say(words[0], "lost");
  showProblem(...words, of.again);
}

async function answers() {
  return api.request("v1/sessions").then(
    () => true,
    (error) => !(error instanceof api.Unreachable),
  );
}

const connection = (of, text) => ({
  signal: of.signal,
  lost: () => of === run && say(t("The connection is lost; trying again…"), "lost"),
  found: () => of === run && say(text, "busy"),
});

/** Complete a run: no more events will come. */
function settle(of) {
  of.complete = true;
  if (of.stream) closeCamera(of.stream);
  if (of.kind === "camera") {
    of.clock = new PlainClock(() => of.all.end_s);
    of.clock.time = of.all.end_s;
    video.hidden = true;
    video.srcObject = null;
    showBlank(t("The camera is off. The events can be replayed."));
  }
  one("over").textContent = t("Start over");
  say(`${of.name}: ${countOf(of.entries.length, "event")}`);
  drawTimeline();
  tick();
}

function showBlank(text) {
  one("blank").textContent = text;
  one("blank").hidden = false;
}

async function useCamera() {
  const mine = begin("camera", t("Camera"), useCamera);
  try {
    say(t("Asking for the camera…"), "busy");
    const stream = await openCamera(video);
    if (mine !== run) {
      closeCamera(stream);
      return;
    }
    mine.stream = stream;
    video.hidden = false;
    say(t("Opening a session…"), "busy");
    const session = await api.openSession({ hop_s: LIVE_HOP_S }, mine.signal);
    mine.id = session.id;
    mine.pusher = new Pusher(session.id, video, {
      onProblem: (problem) => say(problem.detail ?? problem.title, "lost"),
      onTakeover: () => failed(mine, new Error(t("Another page pushes into this session."))),
    });
    for await (const event of api.follow(session.id, connection(mine, t("The camera is analysed")))) take(mine, event);
    mine.pusher.finish();
    if (mine === run) settle(mine);
  } catch (error) {
    await failed(mine, error);
  }
}

/** End the session of the camera, and keep its events. */
function stopCamera() {
  const mine = run;
  if (!mine.pusher) {
    idle();
    return;
  }
  say(t("Ending the session…"), "busy");
  closeCamera(mine.stream);
  if (!mine.pusher.finish()) api.endSession(mine.id).catch((error) => failed(mine, error));
}

async function useVideo(file) {
  const mine = begin("file", file.name, () => useVideo(file));
  showVideo(mine, file);
  try {
    say(t("Sending {file}…", { file: file.name }), "busy");
    // Detect a refusal before sending a large file.
    await api.request("v1/sessions", { signal: mine.signal });
    const there = connection(mine, t("Analysing {file}…", { file: file.name }));
    for await (const event of api.analyse(file, {}, there)) {
      if (!mine.entries.length && mine === run && !calm.matches) mine.clock.play();
      take(mine, event);
    }
    if (mine === run) settle(mine);
  } catch (error) {
    await failed(mine, error);
  }
}

async function useEvents(file, picture) {
  const mine = begin("replay", file.name, null);
  try {
    const events = parseEvents(file.name, await file.text());
    if (mine !== run) return;
    for (const event of events) mine.take(event);
    mine.complete = true;
    one("save").disabled = false;
    if (picture) showVideo(mine, picture);
    else showPlain(mine, t("Replay of events, without their picture"));
    showSubjects();
    drawTimeline();
    tick();
    say(`${file.name}: ${countOf(events.length, "event")}`);
    if (!calm.matches) mine.clock.play();
  } catch (error) {
    await failed(mine, error);
  }
}

function showVideo(mine, file) {
  mine.clock = new VideoClock(video);
  video.src = URL.createObjectURL(file);
  video.hidden = false;
  video.onerror = () => {
    if (mine !== run || !video.src) return;
    video.hidden = true;
    showPlain(mine, t("The browser cannot show this video; its events are here all the same"));
    if (!calm.matches) mine.clock.play();
  };
}

function showPlain(mine, text) {
  mine.clock = new PlainClock(() => mine.all.end_s);
  showBlank(text);
}

/** Open chosen or dropped files. */
function useFiles(files) {
  const events = files.find(({ name }) => /\.(ndjson|jsonl)$/i.test(name));
  const picture = files.find((file) => file !== events);
  if (events) useEvents(events, picture);
  else if (picture) useVideo(picture);
}

function askForToken(then) {
  one("token-wrong").hidden = !api.hasToken();
  one("token-button").hidden = false;
  one("token").value = "";
  one("token-form").onsubmit = (event) => {
    event.preventDefault();
    api.setToken(one("token").value.trim());
    one("token-dialog").close();
    then();
  };
  if (!one("token-dialog").open) one("token-dialog").showModal();
}

/** Check whether the server accepts requests, and show the problem if not. */
async function greet() {
  try {
    await api.request("v1/sessions");
    say("");
  } catch (error) {
    if (error instanceof api.Problem && error.status === 401) {
      askForToken(greet);
    } else {
      showProblem(...describeError(error), () => {
        hideProblem();
        greet();
      });
    }
  }
}

function listen() {
  one("over").onclick = () => (run?.live ? stopCamera() : idle());
  one("use-camera").onclick = useCamera;
  one("use-video").onclick = () => one("video-file").click();
  one("use-events").onclick = () => one("events-file").click();
  for (const id of ["video-file", "events-file"]) {
    one(id).onchange = ({ target }) => {
      const files = [...target.files];
      target.value = "";
      useFiles(files);
    };
  }
  one("play").onclick = () => {
    if (run.clock.playing) run.clock.pause();
    else run.clock.play();
    tick();
  };
  one("seek").oninput = ({ target }) => {
    run.clock.time = Number(target.value);
    tick();
  };
  one("speed").onchange = ({ target }) => {
    if (run?.clock) run.clock.rate = Number(target.value);
  };
  one("subject").onchange = ({ target }) => {
    run.subject = target.value;
    run.forget();
    rewound();
    drawState();
    draw();
  };
  one("save").onclick = () => save(run.entries);
  one("token-button").onclick = () => askForToken(greet);
  one("token-cancel").onclick = () => one("token-dialog").close();
  one("theme").onclick = () => setTheme(document.documentElement.dataset.theme !== "dark");
  addEventListener("dragover", (event) => {
    event.preventDefault();
    one("screen").classList.add("over");
  });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? one("screen").classList.remove("over"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    one("screen").classList.remove("over");
    useFiles([...event.dataTransfer.files]);
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", ({ persisted }) => persisted && idle());
  addEventListener("resize", drawTimeline);
  setInterval(tick, TICK_MS);
}

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  nameTheme(dark);
  try {
    localStorage.setItem("fitsense.theme", dark ? "dark" : "light");
  } catch {
    // Without storage, the theme lasts until a reload.
  }
}

/** Label the button with the theme that it switches to. */
function nameTheme(dark) {
  one("other-theme").textContent = dark ? t("Use light theme") : t("Use dark theme");
}

/** The language of names: the parameter of the address, else the browser's language. */
function language() {
  const asked = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
  const known = asked.map((tag) => tag?.split("-")[0].toLowerCase()).find((tag) => LANGUAGES.includes(tag));
  return known ?? LANGUAGES[0];
}

/** Translate the texts and labels of the page. */
function translatePage(lang) {
  document.documentElement.lang = lang;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const text = node.data.trim();
    if (text) node.data = node.data.replace(text, () => t(text));
  }
  for (const element of document.querySelectorAll("[aria-label]")) {
    element.setAttribute("aria-label", t(element.getAttribute("aria-label")));
  }
  nameTheme(document.documentElement.dataset.theme === "dark");
}

async function start() {
  nameTheme(document.documentElement.dataset.theme === "dark");
  listen();
  try {
    const [facts, picture] = await Promise.all([
      api.request(`playground/facts.${language()}.json`, { cache: "default" }).then((response) => response.json()),
      api.request("playground/body.svg", { cache: "default" }).then((response) => response.text()),
    ]);
    setNames(facts);
    body = new Body(picture, facts.scale);
    translatePage(facts.lang);
    coach.begin();
    drawState();
    await greet();
  } catch (error) {
    showProblem(...describeError(error), () => location.reload());
  }
  document.documentElement.dataset.ready = "true";
}

start();
