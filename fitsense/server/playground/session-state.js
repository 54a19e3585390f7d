// What a session's events come to, one after another. Nothing here knows the page.

/** When an event was told, in seconds of media time. */
export class Times {
  constructor() {
    this.originMs = null;
  }

  of(event) {
    const ms = Date.parse(event.time);
    const { start_s = 0, end_s = start_s } = event.data;
    // A log may lack its beginning; what an event is about is then the best that is known.
    this.originMs ??= event.type === "fitsense.session.started" ? ms : ms - 1000 * end_s;
    return Math.max(0, (ms - this.originMs) / 1000);
  }
}

export class Story {
  constructor() {
    this.exercise = null;
    this.last = null;
    this.count = null;
    this.scores = [];
    this.load = new Map();
    this.stretches = [];
    this.repetitions = [];
    this.warnings = [];
    this.ended = null;
    this.end_s = 0;
  }

  add(event, told_s) {
    const { data } = event;
    const name = event.type.replace(/^fitsense\./, "");
    this.end_s = Math.max(this.end_s, told_s, data.end_s ?? 0);
    switch (name) {
      case "exercise.started":
        this.exercise = { id: data.exercise, start_s: data.start_s, end_s: data.start_s, confidence: data.confidence };
        if (this.count?.exercise !== data.exercise) this.count = null;
        this.scores = [[data.exercise, data.confidence]];
        this.stretches.push({ ...this.exercise });
        break;
      case "exercise.updated":
      case "exercise.ended":
        this.#lasts(data, name === "exercise.ended");
        break;
      case "repetition.completed":
        this.count = { exercise: data.exercise, index: data.index };
        this.repetitions.push(data);
        break;
      case "muscles.activated":
        for (const [group, activation] of Object.entries(data.muscles)) {
          this.load.set(group, (this.load.get(group) ?? 0) + activation * (data.end_s - data.start_s));
        }
        break;
      case "session.warning":
        this.#warn(data, told_s);
        break;
      case "session.ended":
        this.ended = data;
        this.load = new Map(Object.entries(data.muscle_load_s));
        break;
    }
  }

  /** What is done so far: exercises, how long, and how often. */
  totals() {
    const totals = new Map();
    const of = (id) => totals.get(id) ?? totals.set(id, { duration_s: 0, repetitions: 0 }).get(id);
    for (const { id, start_s, end_s } of this.stretches) of(id).duration_s += end_s - start_s;
    for (const { exercise } of this.repetitions) of(exercise).repetitions += 1;
    for (const one of this.ended?.exercises ?? []) {
      totals.set(one.exercise, { duration_s: one.duration_s, repetitions: one.repetitions ?? of(one.exercise).repetitions });
    }
    return totals;
  }

  /** The warning that holds at a time, if any. */
  warning(at_s) {
    const holds = ({ over, told_s }) => (over === undefined ? at_s - told_s < 6 : !over);
    return this.warnings.findLast(holds) ?? null;
  }

  #lasts(data, over) {
    const { exercise: id, start_s, end_s, confidence, scores } = data;
    this.scores = Object.entries(scores).sort(([, a], [, b]) => b - a);
    const stretch = this.stretches.findLast((one) => one.id === id && one.start_s === start_s);
    if (stretch) stretch.end_s = end_s;
    else this.stretches.push({ id, start_s, end_s, confidence });
    this.exercise = over ? null : { id, start_s, end_s, confidence };
    if (over) this.last = { id, duration_s: data.duration_s };
  }

  #warn(data, told_s) {
    const known = this.warnings.findIndex((one) => one.code === data.code && one.start_s === data.start_s);
    if (known >= 0) this.warnings.splice(known, 1);
    this.warnings.push({ ...data, told_s });
  }
}

/** The events of a file's text. */
export function eventsOf(name, text) {
  const events = [];
  for (const [number, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    let event = null;
    try {
      event = JSON.parse(line);
    } catch {
      // Told below.
    }
    const whole = event?.specversion && typeof event.type === "string" && event.data && !Number.isNaN(Date.parse(event.time));
    if (!whole) throw new SyntaxError(`expected an event a line, as JSON; line ${number + 1} of ${name} is none`);
    events.push(event);
  }
  if (!events.length) throw new SyntaxError(`expected events, got an empty file: ${name}`);
  return events;
}
