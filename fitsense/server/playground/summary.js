// The current exercise, repetitions and scores, and the totals of the session.

import { make, one } from "./dom.js";
import { exerciseName, percent, seconds, t, time } from "./format.js";

const MAX_SCORES = 4;

export function showSummary(state, begun) {
  const { exercise, last, count } = state;
  const name = nameOf(state, begun);
  one("exercise").textContent = name;
  one("confidence").textContent = said(state, begun);
  one("repetitions").textContent = String(count?.index ?? 0);
  one("lasting").textContent = time(exercise ? exercise.end_s - exercise.start_s : (last?.duration_s ?? 0));
  showScores(state.scores);
  showTotals(state.totals());
  announce(exercise && count ? t("{name}, repetition {number}", { name, number: count.index }) : begun ? name : "");
}

function nameOf({ exercise, ended }, begun) {
  if (exercise) return exerciseName(exercise.id);
  if (ended) return t("Finished");
  return begun ? t("No exercise") : t("Nothing yet");
}

function said({ exercise, last, ended }, begun) {
  if (exercise) return t("{share} sure", { share: percent(exercise.confidence) });
  if (ended) return t("The session has ended.");
  if (last) return t("Before: {exercise}, {span}", { exercise: exerciseName(last.id), span: seconds(last.duration_s) });
  return begun ? t("Waiting for movement.") : t("Start with the camera, a video or events.");
}

/** Update text only if it changes, so that screen readers announce changes only. */
function announce(text) {
  if (one("said").textContent !== text) one("said").textContent = text;
}

function showScores(scores) {
  const rows = scores.slice(0, MAX_SCORES).map(([id, share]) => {
    const bar = make("b");
    bar.style.width = `${100 * share}%`;
    return make(
      "li",
      {},
      make("span", { className: "name" }, exerciseName(id)),
      make("span", { className: "bar", "aria-hidden": "true" }, bar),
      make("span", { className: "share" }, percent(share)),
    );
  });
  one("scores").replaceChildren(...(rows.length ? rows : [make("li", { className: "soft" }, t("None yet"))]));
}

function showTotals(totals) {
  const rows = [...totals].map(([id, { duration_s, repetitions }]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, exerciseName(id)),
      make("td", {}, String(repetitions)),
      make("td", {}, time(duration_s)),
    ),
  );
  const none = make("tr", {}, make("td", { colSpan: 3, className: "soft" }, t("No exercise yet")));
  one("totals").replaceChildren(...(rows.length ? rows : [none]));
}
