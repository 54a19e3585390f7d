// Follows a workout plan through events, as fitsense.coach does, without pace; and lets sets be skipped.

const NO_EXERCISE = ["unknown", "no_exercise"];
// An interruption of a held exercise that is shorter than this does not end its set.
const SAME_HOLD_S = 3;

/** Plans to choose from: names, and exercises with repetitions or a time to hold. */
export const PLANS = {
  "Quick start": [
    { exercise: "squat", repetitions: 5, sets: 1, rest_s: 20 },
    { exercise: "jumping_jack", repetitions: 10, sets: 1, rest_s: 20 },
  ],
  "Whole body": [
    { exercise: "squat", repetitions: 10, sets: 2, rest_s: 45 },
    { exercise: "push_up", repetitions: 8, sets: 2, rest_s: 45 },
    { exercise: "plank", hold_s: 20, sets: 1, rest_s: 45 },
  ],
  Legs: [
    { exercise: "squat", repetitions: 12, sets: 3, rest_s: 60 },
    { exercise: "lunge", repetitions: 10, sets: 2, rest_s: 60 },
    { exercise: "calf_raise", repetitions: 15, sets: 2, rest_s: 45 },
  ],
};

export class Coach {
  /**
   * @param plan exercises with `exercise`, `repetitions` or `hold_s`, `sets` and `rest_s`.
   * @param groups group of each exercise that has one; a model that knows only the group counts for it.
   */
  constructor(plan, groups = {}) {
    this.plan = plan;
    this.groups = groups;
    this.done = plan.map(() => []);
    this.time_s = 0;
    this.open = null;
    this.rest = null;
    this.finished = false;
  }

  /** Index of the current or next exercise; -1 when all sets are done. */
  get place() {
    return this.open && !this.open.reached ? this.open.place : this.#next();
  }

  /** Repetitions, or seconds of a held exercise, of the current set so far. */
  get progress() {
    if (!this.open || this.open.reached) return 0;
    return this.plan[this.open.place].hold_s ? this.open.hold_s : this.open.repetitions;
  }

  /** Seconds left of the rest; null without one. */
  get restLeft_s() {
    return this.rest && this.place >= 0 ? Math.max(0, this.rest.target_s - (this.time_s - this.rest.from_s)) : null;
  }

  setsLeft(place) {
    return Math.max(0, this.plan[place].sets - this.done[place].length);
  }

  /** Process the next event of the person; returns cues, each with a `kind`. */
  push({ type, data }) {
    let cues = [];
    switch (type) {
      case "fitsense.session.started":
        cues = this.#sessionStarted(data.exercises);
        break;
      case "fitsense.exercise.started":
        cues = this.#exerciseStarted(data);
        break;
      case "fitsense.exercise.updated":
        cues = this.#exercised(data);
        break;
      case "fitsense.repetition.completed":
        cues = this.#repetition(data);
        break;
      case "fitsense.exercise.ended":
        cues = this.#exercised(data);
        this.#restBegins();
        break;
      case "fitsense.session.ended":
        cues = this.#close();
        this.rest = null;
        break;
    }
    return typeof data.end_s === "number" ? [...cues, ...this.tick(data.end_s)] : cues;
  }

  /** Advance the time without an event. */
  tick(time_s) {
    this.time_s = Math.max(this.time_s, time_s);
    const next = this.#next();
    const { rest } = this;
    if (!rest || rest.announced || next < 0 || this.time_s - rest.from_s < rest.target_s) return [];
    rest.announced = true;
    return [{ kind: "RestOver", time_s: this.time_s, exercise: this.plan[next].exercise }];
  }

  /** End the current set, or leave the next one out; it counts as done. */
  skipSet() {
    if (this.open && !this.open.reached) return this.#close();
    const place = this.#next();
    if (place < 0) return [];
    this.open = null;
    this.rest = null;
    this.done[place].push({ repetitions: 0, hold_s: 0 });
    return this.#planDone();
  }

  /** Leave out the sets that are left of the current or next exercise. */
  skipExercise() {
    const { place } = this;
    if (place < 0) return [];
    this.open = null;
    this.rest = null;
    while (this.setsLeft(place)) this.done[place].push({ repetitions: 0, hold_s: 0 });
    return this.#planDone();
  }

  #sessionStarted(known) {
    const cues = this.#close();
    this.time_s = 0;
    this.rest = null;
    for (const [place, { exercise }] of this.plan.entries()) {
      if (this.setsLeft(place) && !known.some((name) => this.#isOf(place, name))) {
        cues.push({ kind: "NotRecognised", time_s: 0, exercise });
      }
    }
    return cues;
  }

  #exerciseStarted({ exercise, start_s }) {
    if (this.open?.exercise === exercise || NO_EXERCISE.includes(exercise) || this.#find(exercise) >= 0) return [];
    return [{ kind: "NotPlanned", time_s: start_s, exercise }];
  }

  #repetition({ exercise, index, start_s, end_s }) {
    if (NO_EXERCISE.includes(exercise)) return [];
    let cues = [];
    // The indices of a set's repetitions increase; an interruption can leave some out.
    if (!this.open || this.open.exercise !== exercise || index <= this.open.repetitions) {
      cues = this.#close();
      this.#begin(exercise, start_s, false);
    }
    const { open } = this;
    const planned = open && this.plan[open.place];
    if (!planned?.repetitions) return cues;
    open.repetitions = index;
    open.end_s = end_s;
    const set = this.done[open.place].length + (open.reached ? 0 : 1);
    const left = Math.max(0, planned.repetitions - index);
    cues.push({ kind: "RepetitionDone", time_s: end_s, exercise: planned.exercise, set, repetition: index, left });
    if (!left) return [...cues, ...this.#reached({ repetitions: index, hold_s: 0 })];
    this.rest = null;
    return cues;
  }

  /** A segment of an exercise so far; held exercises progress by its duration. */
  #exercised({ exercise, start_s, end_s }) {
    if (NO_EXERCISE.includes(exercise)) return [];
    let cues = [];
    if (!this.open || !this.#isSame(exercise, start_s)) {
      cues = this.#close();
      this.#begin(exercise, start_s, true);
    }
    const { open } = this;
    const target_s = open && this.plan[open.place].hold_s;
    if (!target_s) return cues;
    if (start_s !== open.start_s) {
      open.start_s = start_s;
      open.before_s = open.hold_s;
    }
    open.hold_s = open.before_s + end_s - start_s;
    open.end_s = Math.max(open.end_s, end_s);
    if (open.hold_s >= target_s) return [...cues, ...this.#reached({ repetitions: 0, hold_s: open.hold_s })];
    this.rest = null;
    return cues;
  }

  #isSame(exercise, start_s) {
    const { open } = this;
    if (open.exercise !== exercise) return false;
    return !this.plan[open.place].hold_s || start_s === open.start_s || start_s - open.end_s < SAME_HOLD_S;
  }

  #begin(exercise, start_s, held) {
    const place = this.#find(exercise);
    if (place < 0 || Boolean(this.plan[place].hold_s) !== held) return;
    this.open = { place, exercise, start_s, end_s: start_s, repetitions: 0, hold_s: 0, before_s: 0, reached: false };
  }

  #reached(set) {
    const sets = this.done[this.open.place];
    if (this.open.reached) {
      sets[sets.length - 1] = set;
      this.#restBegins();
      return [];
    }
    this.open.reached = true;
    sets.push(set);
    this.#restBegins();
    return this.#setDone(this.open, 0);
  }

  /** Close the open set; without its target, it is done below it. */
  #close() {
    const { open } = this;
    this.open = null;
    if (!open || open.reached) return [];
    const { repetitions, hold_s } = this.plan[open.place];
    this.done[open.place].push({ repetitions: open.repetitions, hold_s: open.hold_s });
    return this.#setDone(open, Math.max(0, repetitions ? repetitions - open.repetitions : hold_s - open.hold_s));
  }

  #setDone({ place, end_s }, missing) {
    const { exercise, rest_s } = this.plan[place];
    const over = this.#next() < 0;
    const cue = { kind: "SetDone", time_s: end_s, exercise, set: this.done[place].length, missing };
    return [{ ...cue, sets_left: this.setsLeft(place), rest_s: over ? null : rest_s }, ...this.#planDone(end_s)];
  }

  #planDone(time_s = this.time_s) {
    if (this.finished || this.#next() >= 0) return [];
    this.finished = true;
    return [{ kind: "PlanDone", time_s }];
  }

  #restBegins() {
    const { open } = this;
    if (!open || this.rest?.from_s === open.end_s) return;
    this.rest = { from_s: open.end_s, target_s: this.plan[open.place].rest_s, announced: false };
  }

  #isOf(place, exercise) {
    const planned = this.plan[place].exercise;
    return exercise === planned || (planned in this.groups && exercise === this.groups[planned]);
  }

  #find(exercise) {
    return this.plan.findIndex((_, place) => this.#isOf(place, exercise) && this.setsLeft(place));
  }

  #next() {
    return this.plan.findIndex((_, place) => this.setsLeft(place));
  }
}
