// Accumulates the events of a session; independent of the page.

/** Converts the wall-clock times of events to seconds of media time. */
export class Times {
  constructor() {
    this.originMs = null;
  }

  of(event) {
    const ms = Date.parse(event.time);
    const { start_s = 0, end_s = start_s } = event.data;
    // A log may lack its start; the end of the event's span is then the best estimate.
    this.originMs ??= event.type === "fitsense.session.started" ? ms : ms - 1000 * end_s;
    return Math.max(0, (ms - this.originMs) / 1000);
  }
}

export class SessionState {
  constructor() {
    this.exercise = null;
    this.last = null;
    this.count = null;
    this.scores = [];
    this.load = new Map();
    this.segments = [];
    this.repetitions = [];
    this.warnings = [];
    this.ended = null;
    this.end_s = 0;
  }

  add(event, emitted_s) {
    const { data } = event;
    const name = event.type.replace(/^fitsense\./, "");
    this.end_s = Math.max(this.end_s, emitted_s, data.end_s ?? 0);
    switch (name) {
      case "exercise.started":
        this.exercise = { id: data.exercise, start_s: data.start_s, end_s: data.start_s, confidence: data.confidence };
        if (this.count?.exercise !== data.exercise) this.count = null;
        this.scores = [[data.exercise, data.confidence]];
        this.segments.push({ ...this.exercise });
        break;
      case "exercise.updated":
      case "exercise.ended":
        this.#updateSegment(data, name === "exercise.ended");
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
        this.#warn(data, emitted_s);
        break;
      case "session.ended":
        this.ended = data;
        this.load = new Map(Object.entries(data.muscle_load_s));
        break;
    }
  }

  /** Totals by exercise: duration and repetitions. */
  totals() {
    const totals = new Map();
    const of = (id) => totals.get(id) ?? totals.set(id, { duration_s: 0, repetitions: 0 }).get(id);
    for (const { id, start_s, end_s } of this.segments) of(id).duration_s += end_s - start_s;
    for (const { exercise } of this.repetitions) of(exercise).repetitions += 1;
    for (const one of this.ended?.exercises ?? []) {
      totals.set(one.exercise, { duration_s: one.duration_s, repetitions: one.repetitions ?? of(one.exercise).repetitions });
    }
    return totals;
  }

  /** The warning that is active at a time, or null. */
  warning(at_s) {
    const holds = ({ over, emitted_s }) => (over === undefined ? at_s - emitted_s < 6 : !over);
    return this.warnings.findLast(holds) ?? null;
  }

  #updateSegment(data, over) {
    const { exercise: id, start_s, end_s, confidence, scores } = data;
    this.scores = Object.entries(scores).sort(([, a], [, b]) => b - a);
    const segment = this.segments.findLast((one) => one.id === id && one.start_s === start_s);
    if (segment) segment.end_s = end_s;
    else this.segments.push({ id, start_s, end_s, confidence });
    this.exercise = over ? null : { id, start_s, end_s, confidence };
    if (over) this.last = { id, duration_s: data.duration_s };
  }

  #warn(data, emitted_s) {
    const known = this.warnings.findIndex((one) => one.code === data.code && one.start_s === data.start_s);
    if (known >= 0) this.warnings.splice(known, 1);
    this.warnings.push({ ...data, emitted_s });
  }
}

/** Parse the events in the text of a file. */
export function parseEvents(name, text) {
  const events = [];
  for (const [number, line] of text.split("\n").entries()) {
    if (!line.trim()) continue;
    let event = null;
    try {
      event = JSON.parse(line);
    } catch {
      // Reported below.
    }
    const whole = event?.specversion && typeof event.type === "string" && event.data && !Number.isNaN(Date.parse(event.time));
    if (!whole) throw new SyntaxError(`expected one event per line as JSON, got another line ${number + 1} in ${name}`);
    events.push(event);
  }
  if (!events.length) throw new SyntaxError(`expected events, got an empty file: ${name}`);
  return events;
}
