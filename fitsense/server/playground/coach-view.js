// The coach's card: the chosen plan, its steps, and cues that are shown and may be spoken.

import { Coach, PLANS } from "./coach.js";
import { make, one } from "./dom.js";
import { exerciseGroups, exerciseName, seconds, t } from "./format.js";

export class CoachView {
  constructor() {
    this.coach = null;
    one("plan").onchange = () => this.restart();
    one("next-set").onclick = () => this.#take(this.coach.skipSet());
    one("skip-exercise").onclick = () => this.#take(this.coach.skipExercise());
    one("speak").onchange = () => one("speak").checked || speechSynthesis.cancel();
    one("speak").parentElement.hidden = !("speechSynthesis" in globalThis);
  }

  /** List the plans, in the language of the page. */
  begin() {
    const options = ["", ...Object.keys(PLANS)].map((name) => make("option", { value: name }, t(name || "No plan")));
    one("plan").replaceChildren(...options);
    this.restart();
  }

  /** Begin the chosen plan anew. */
  restart() {
    const plan = PLANS[one("plan").value];
    this.coach = plan ? new Coach(plan, exerciseGroups()) : null;
    one("cue").textContent = plan ? t("Begin with {exercise}.", { exercise: exerciseName(plan[0].exercise) }) : "";
    this.#draw();
  }

  /** Take an event of the person that is shown. @param aloud whether cues may be spoken. */
  push(event, aloud) {
    if (this.coach) this.#take(this.coach.push(event), aloud);
  }

  /** Advance the time. */
  tick(time_s, aloud) {
    if (!this.coach || !Number.isFinite(time_s)) return;
    const cues = this.coach.tick(time_s);
    if (cues.length || this.coach.rest) this.#take(cues, aloud);
  }

  #take(cues, aloud = true) {
    for (const cue of cues) {
      one("cue").textContent = inWords(cue);
      if (aloud) this.#say(cue.kind === "RepetitionDone" ? String(cue.repetition) : inWords(cue));
    }
    this.#draw();
  }

  #say(text) {
    if (!one("speak").checked) return;
    const words = new SpeechSynthesisUtterance(text);
    words.lang = document.documentElement.lang;
    speechSynthesis.speak(words);
  }

  #draw() {
    const { coach } = this;
    one("coach-plan").hidden = !coach;
    if (!coach) return;
    const { place } = coach;
    one("steps").replaceChildren(
      ...coach.plan.map((planned, at) => {
        const done = coach.done[at].length;
        const step = make(
          "li",
          { className: done >= planned.sets ? "done" : "" },
          make("span", {}, exerciseName(planned.exercise)),
          make("span", { className: "soft" }, target(planned)),
          make("span", {}, t("{done} of {sets} sets", { done: Math.min(done, planned.sets), sets: planned.sets })),
        );
        if (at === place) step.setAttribute("aria-current", "step");
        return step;
      }),
    );
    one("set-progress").textContent = place < 0 ? "" : current(coach, coach.plan[place]);
    one("next-set").disabled = one("skip-exercise").disabled = place < 0;
  }
}

function target({ repetitions, hold_s }) {
  return repetitions ? `${repetitions}×` : seconds(hold_s);
}

function current(coach, planned) {
  const rest_s = coach.restLeft_s;
  if (rest_s > 0) return t("Rest: {span}", { span: seconds(Math.ceil(rest_s)) });
  const done = planned.repetitions ? String(coach.progress) : seconds(coach.progress);
  return t("{done} of {target}", { done, target: planned.repetitions ?? seconds(planned.hold_s) });
}

function inWords(cue) {
  const exercise = cue.exercise && exerciseName(cue.exercise);
  switch (cue.kind) {
    case "RepetitionDone":
      return t("{exercise}: {left} to go", { exercise, left: cue.left });
    case "SetDone":
      return cue.rest_s ? t("Set done. Rest for {span}.", { span: seconds(cue.rest_s) }) : t("Set done.");
    case "RestOver":
      return t("The rest is over. Next: {exercise}.", { exercise });
    case "NotPlanned":
      return t("{exercise} is not in the plan.", { exercise });
    case "NotRecognised":
      return t("This model does not know {exercise}.", { exercise });
    default:
      return t("The plan is done.");
  }
}
