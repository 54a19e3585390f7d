// The list of events, each with a link to its schema.

import { address } from "./api.js";
import { make, one } from "./dom.js";
import { gist, t, time } from "./format.js";

const HOME = "urn:fitsense:v1:";
// Thousands of elements make the page slow; saving includes all events.
const MAX_SHOWN = 250;

export class Log {
  constructor() {
    this.list = one("events");
    this.clear();
  }

  clear() {
    this.list.replaceChildren();
    this.count = 0;
    this.#say();
  }

  add({ event, emitted_s }) {
    this.list.prepend(item(event, emitted_s));
    if (this.list.childElementCount > MAX_SHOWN) this.list.lastElementChild.remove();
    this.count += 1;
    this.#say();
  }

  #say() {
    one("count").textContent = String(this.count);
  }
}

function item(event, emitted_s) {
  const name = event.type.replace(/^fitsense\./, "");
  const details = make(
    "details",
    {},
    make(
      "summary",
      {},
      make("span", { className: "at" }, time(emitted_s, 1)),
      make("span", { className: "type" }, name),
      make("span", { className: "gist" }, gist(event)),
    ),
  );
  // Rendered on demand, because few are opened.
  details.addEventListener("toggle", () => details.append(make("pre", { tabIndex: 0 }, JSON.stringify(event, null, 2))), { once: true });
  const entry = make("li", { className: "event", "data-name": name, "data-id": event.id }, details);
  if (event.dataschema?.startsWith(HOME)) {
    const href = address(`schemas/v1/${event.dataschema.slice(HOME.length)}`).href;
    const label = t("Schema of {name}", { name });
    entry.append(make("a", { className: "schema", href, target: "_blank", rel: "noopener", "aria-label": label }, t("schema")));
  }
  return entry;
}

/** Save events as a file with one event per line. */
export function save(entries) {
  const lines = entries.map(({ event }) => `${JSON.stringify(event)}\n`);
  const href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
  make("a", { href, download: "fitsense-events.ndjson" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 10_000);
}
