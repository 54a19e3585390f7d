// Formats names and numbers.

let names = { exercises: {}, muscle_groups: {} };

export function setNames(facts) {
  names = facts;
}

/** Group of each exercise that has one. */
export function exerciseGroups() {
  return names.groups ?? {};
}

/** One of the page's texts in the language of the names, with `{fields}` for values; English where there is none. */
export function t(text, values = {}) {
  return (names.texts?.[text] ?? text).replace(/\{(\w+)\}/g, (_, field) => values[field]);
}

/** A warning in the language of the names, by its code; its message if there is no translation. */
export function warningText({ code, message, start_s, end_s }) {
  return names.warnings?.[code]?.replace("{span}", seconds(end_s - start_s)) ?? message;
}

export function exerciseName(id) {
  return names.exercises[id] ?? id.replaceAll("_", " ");
}

export function muscleName(id) {
  return names.muscle_groups[id] ?? id.replaceAll("_", " ");
}

export function percent(share) {
  return `${Math.round(100 * share)}\u00a0%`;
}

export function seconds(value) {
  return `${value.toFixed(1)}\u00a0s`;
}

/** Format a time such as 1:05 or 1:05.3. */
export function time(value, digits = 0) {
  const unit = 10 ** digits;
  const parts = Math.floor(Math.max(0, value) * unit + 1e-6);
  const rest = (parts % (60 * unit)) / unit;
  return `${Math.floor(parts / (60 * unit))}:${rest.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}

/** A number of things, such as "3 events"; `one` is the English singular. */
export function countOf(count, one) {
  return t(count === 1 ? `{n} ${one}` : `{n} ${one}s`, { n: count });
}

/** Summarise an event in a few words. */
export function gist({ type, data }) {
  switch (type.replace(/^fitsense\./, "")) {
    case "session.started":
      return `${data.model.name} ${data.model.version}, ${countOf(data.exercises.length, "exercise")}`;
    case "exercise.started":
      return `${exerciseName(data.exercise)}, ${percent(data.confidence)}`;
    case "exercise.updated":
      return `${exerciseName(data.exercise)}, ${percent(data.confidence)}, ${seconds(data.duration_s)}`;
    case "exercise.ended":
      return `${exerciseName(data.exercise)}, ${seconds(data.duration_s)}`;
    case "repetition.completed":
      return t("{name}, repetition {number}", { name: exerciseName(data.exercise), number: data.index });
    case "muscles.activated":
      return largest(Object.entries(data.muscles), 0.5).map(([group]) => muscleName(group)).join(", ") || t("nothing much");
    case "session.warning":
      return warningText(data);
    case "session.progress":
      return data.exercise ? exerciseName(data.exercise) : t("No exercise");
    case "person.entered":
    case "person.left":
      return t("Person {name}", { name: data.person });
    case "session.ended":
      return `${t(data.reason)}, ${countOf(data.frames, "frame")}`;
    default:
      return "";
  }
}

/** Select the largest of [name, value] pairs. */
export function largest(pairs, minimum, count = 3) {
  return pairs
    .filter(([, value]) => value > minimum)
    .sort(([, a], [, b]) => b - a)
    .slice(0, count);
}
