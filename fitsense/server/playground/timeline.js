// The timeline of exercises, repetitions and warnings.

import { make, one } from "./dom.js";
import { countOf, exerciseName, t, time, warningText } from "./format.js";

const MIN_LENGTH_S = 10;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const TICK_PX = 60;

export class Timeline {
  constructor() {
    this.tracks = {};
    this.heads = [];
    for (const track of one("timeline").querySelectorAll(".track")) {
      this.tracks[track.dataset.track] = track.lastElementChild;
    }
    this.total_s = MIN_LENGTH_S;
  }

  /** @param length_s minimum length; the length of a recording is known before its events. */
  show(state, length_s) {
    this.total_s = Math.max(MIN_LENGTH_S, length_s, state.end_s);
    const { exercises, repetitions, warnings, axis } = this.tracks;
    exercises.replaceChildren(
      ...state.segments.map(({ id, start_s, end_s }) => {
        const name = exerciseName(id);
        const title = `${name}, ${time(start_s)}–${time(end_s)}`;
        const segment = id === "unknown" ? { className: "segment unknown", title } : { className: "segment", title };
        return this.#span(make("i", segment, id === "unknown" ? "?" : name), start_s, end_s);
      }),
    );
    repetitions.replaceChildren(
      ...state.repetitions.map(({ exercise, index, start_s, end_s, range_deg, tempo }) => {
        const range = range_deg === undefined ? "" : `, ${Math.round(range_deg)}°`;
        const phases = tempo === undefined ? "" : `, ${tempo}`;
        const title = `${exerciseName(exercise)} ${index}, ${time(start_s, 1)}–${time(end_s, 1)}${range}${phases}`;
        return this.#span(make("i", { className: "repetition", title }), start_s, end_s);
      }),
    );
    warnings.replaceChildren(
      ...state.warnings.map((one) => this.#at(make("i", { className: "note", title: warningText(one) }), one.start_s)),
    );
    axis.replaceChildren(...this.#ticks());
    this.heads = [exercises, repetitions, warnings].map((track) => track.appendChild(make("i", { className: "head", hidden: true })));
    one("timeline").setAttribute("aria-label", t("Timeline: {text}", { text: inWords(state) }));
  }

  /** @param at_s position in seconds; null for none. */
  point(at_s) {
    for (const head of this.heads) {
      head.hidden = at_s === null;
      if (at_s !== null) this.#at(head, Math.min(at_s, this.total_s));
    }
  }

  #ticks() {
    const maxTicks = Math.max(2, this.tracks.axis.clientWidth / TICK_PX);
    const step_s = STEPS_S.find((step) => this.total_s / step <= maxTicks) ?? 7200;
    const ticks = [];
    for (let at_s = 0; at_s <= this.total_s; at_s += step_s) {
      const edge = at_s === 0 ? "first" : at_s > 0.96 * this.total_s ? "last" : "";
      ticks.push(this.#at(make("i", { className: `tick ${edge}` }, time(at_s)), at_s));
    }
    return ticks;
  }

  #at(element, at_s) {
    element.style.left = `${(100 * at_s) / this.total_s}%`;
    return element;
  }

  #span(element, start_s, end_s) {
    element.style.width = `max(2px, calc(${(100 * (end_s - start_s)) / this.total_s}% - 2px))`;
    return this.#at(element, start_s);
  }
}

function inWords(state) {
  const said = state.segments.map(({ id, start_s, end_s }) => `${exerciseName(id)} ${time(start_s)}–${time(end_s)}`);
  const counted = state.repetitions.length ? `; ${countOf(state.repetitions.length, "repetition")}` : "";
  return `${said.slice(-8).join(", ") || t("No exercise yet")}${counted}`;
}
