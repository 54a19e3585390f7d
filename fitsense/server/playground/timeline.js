// Exercises, repetitions and warnings along time.

import { make, one } from "./dom.js";
import { exerciseName, many, time } from "./format.js";

const LEAST_S = 10;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
const TICK_PX = 60;

export class Timeline {
  constructor() {
    this.lanes = {};
    this.heads = [];
    for (const lane of one("timeline").querySelectorAll(".lane")) {
      this.lanes[lane.dataset.lane] = lane.lastElementChild;
    }
    this.total_s = LEAST_S;
  }

  /** @param length_s at least so long; a recording's is known before its events. */
  show(story, length_s) {
    this.total_s = Math.max(LEAST_S, length_s, story.end_s);
    const { exercises, repetitions, warnings, axis } = this.lanes;
    exercises.replaceChildren(
      ...story.stretches.map(({ id, start_s, end_s }) => {
        const name = exerciseName(id);
        const title = `${name}, ${time(start_s)} to ${time(end_s)}`;
        const stretch = id === "unknown" ? { className: "stretch unknown", title } : { className: "stretch", title };
        return this.#span(make("i", stretch, id === "unknown" ? "?" : name), start_s, end_s);
      }),
    );
    repetitions.replaceChildren(
      ...story.repetitions.map(({ exercise, index, start_s, end_s }) => {
        const title = `${exerciseName(exercise)} ${index}, ${time(start_s, 1)} to ${time(end_s, 1)}`;
        return this.#span(make("i", { className: "repetition", title }), start_s, end_s);
      }),
    );
    warnings.replaceChildren(
      ...story.warnings.map(({ message, start_s }) => this.#at(make("i", { className: "note", title: message }), start_s)),
    );
    axis.replaceChildren(...this.#ticks());
    this.heads = [exercises, repetitions, warnings].map((lane) => lane.appendChild(make("i", { className: "head", hidden: true })));
    one("timeline").setAttribute("aria-label", `Timeline: ${inWords(story)}`);
  }

  /** @param at_s null for no position. */
  point(at_s) {
    for (const head of this.heads) {
      head.hidden = at_s === null;
      if (at_s !== null) this.#at(head, Math.min(at_s, this.total_s));
    }
  }

  #ticks() {
    const most = Math.max(2, this.lanes.axis.clientWidth / TICK_PX);
    const step_s = STEPS_S.find((step) => this.total_s / step <= most) ?? 7200;
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

function inWords(story) {
  const said = story.stretches.map(({ id, start_s, end_s }) => `${exerciseName(id)} from ${time(start_s)} to ${time(end_s)}`);
  const counted = story.repetitions.length ? `; ${many(story.repetitions.length, "repetition")}` : "";
  return `${said.slice(-8).join(", ") || "no exercise yet"}${counted}`;
}
