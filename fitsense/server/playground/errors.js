// Error messages for users.

import { Unreachable, Problem } from "./api.js";
import { make, one } from "./dom.js";
import { t } from "./format.js";

const CAMERA = {
  NotAllowedError: [
    "The camera was refused",
    "Allow it for this page in the browser's address bar, and try again. A video can be analysed without it.",
  ],
  NotFoundError: ["There is no camera", "Connect one and try again, or choose a video."],
  NotReadableError: ["The camera cannot be read", "Another program may be using it. Close that, and try again."],
  SecurityError: [
    "The browser denies this page the camera",
    "Cameras work on pages over https or from this machine. Open the server by such an address, or choose a video.",
  ],
};
const SERVER = {
  "too-many-sessions": "The server has too many sessions",
  "source-refused": "This file cannot be read as a video",
  "too-large": "This file is too large for the server",
  "unknown-session": "The server no longer knows the session",
  "events-gone": "Some events were missed",
  "too-many-requests": "Too many requests",
  unavailable: "The server accepts no sessions now",
  "forbidden-host": "Host not allowed",
};

/** Describe an error: a title and advice. */
export function describeError(error) {
  if (error instanceof Problem) {
    // The detail is the server's, in English.
    return [SERVER[error.slug] ? t(SERVER[error.slug]) : error.title || t("The server refused"), sentence(error.message)];
  }
  if (error instanceof Unreachable) return [t("The server does not answer"), t("See whether it still runs, and try again.")];
  if (error instanceof SyntaxError) return [t("These events cannot be read"), sentence(error.message)];
  return CAMERA[error.name]?.map((text) => t(text)) ?? [t("Something went wrong"), sentence(error.message)];
}

/** @param again action of the button “Try again”; without it there is no button. */
export function showProblem(title, detail, again) {
  const actions = make("div", { className: "actions" });
  if (again) {
    actions.append(make("button", { type: "button", className: "primary", onclick: again }, t("Try again")));
  }
  actions.append(make("button", { type: "button", onclick: hideProblem }, t("Close")));
  one("problem").replaceChildren(make("strong", {}, title), make("p", {}, detail), actions);
  one("problem").hidden = false;
  one("problem").scrollIntoView({ block: "nearest" });
}

export function hideProblem() {
  one("problem").hidden = true;
  one("problem").replaceChildren();
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
