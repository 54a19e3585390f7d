// Writes src/schemas.ts from the JSON Schemas in ../v1; with --check, fails if it is not as they are.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const SCHEMAS = new URL("../v1/", import.meta.url);
const TYPES = new URL("src/schemas.ts", import.meta.url);
const SUFFIX = ".schema.json";
const BANNER = "// Generated from ../v1 by `npm run generate`; do not edit.";
// What is no event's data, and what does not go over the network at all.
const NO_EVENTS = ["common", "envelope"];
const NOT_ON_THE_WIRE = ["model"];

/** `exercise.ended` as `ExerciseEnded`; the server's own without its name. `Set` means something else. */
function typeName(name) {
  if (name === "set") return "ExerciseSet";
  const words = name.replace(/^server\./, "").split(/[._]/);
  return words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
}

/** A schema whose references lead into one document, and whose parts are not named by their titles. */
function placed(part, name) {
  if (Array.isArray(part)) return part.map((each) => placed(each, name));
  if (part === null || typeof part !== "object") return part;
  const entries = Object.entries(part).filter(
    // A property may be called title, too.
    ([key, value]) => !["$schema", "$id", "$defs"].includes(key) && !(key === "title" && typeof value === "string"),
  );
  return Object.fromEntries(
    entries.map(([key, value]) => [key, key === "$ref" ? target(value, name) : placed(value, name)]),
  );
}

function target(reference, name) {
  const [home, pointer] = reference.split("#");
  const schema = home === "" ? name : home.replace("urn:fitsense:v1:", "");
  return `#/$defs/${typeName(pointer ? pointer.replace("/$defs/", "") : schema)}`;
}

function document() {
  const definitions = {};
  const events = {};
  const files = readdirSync(SCHEMAS).filter((file) => file.endsWith(SUFFIX));
  for (const name of files.map((file) => file.slice(0, -SUFFIX.length)).sort()) {
    if (NOT_ON_THE_WIRE.includes(name)) continue;
    const schema = JSON.parse(readFileSync(new URL(name + SUFFIX, SCHEMAS), "utf8"));
    for (const [part, definition] of Object.entries(schema.$defs ?? {})) {
      definitions[typeName(part)] = placed(definition, name);
    }
    if (name === "common") continue;
    definitions[typeName(name)] = placed(schema, name);
    // Which type goes with which schema: events.ts says it.
    delete definitions[typeName(name)].allOf;
    if (!NO_EVENTS.includes(name) && !name.startsWith("server.")) {
      events[`fitsense.${name}`] = { $ref: `#/$defs/${typeName(name)}` };
    }
  }
  // What its data holds depends on its type.
  definitions.Envelope.properties.data.additionalProperties = true;
  return {
    title: "EventData",
    description:
      "What `data` of an event is, by its `type`. Add a plugin's events of yours by declaration merging:\n" +
      'declare module "fitsense-client" { interface EventData { "jumps.counted": { count: number } } }',
    type: "object",
    properties: events,
    required: Object.keys(events),
    $defs: definitions,
  };
}

const compiled = await compile(document(), "EventData", {
  additionalProperties: false,
  bannerComment: BANNER,
  ignoreMinAndMaxItems: true,
  style: { printWidth: 120 },
  unreachableDefinitions: true,
});
// Where a type came from is of no use to those who hover over it.
const written = compiled.replace(/ \*\n \* This interface was referenced by .*\n \* via the `definition` .*\n/g, "");
if (!process.argv.includes("--check")) {
  writeFileSync(TYPES, written);
} else if (readFileSync(TYPES, "utf8") !== written) {
  console.error("src/schemas.ts is not as ../v1 says: run `npm run generate` in schemas/typescript, and commit it");
  process.exitCode = 1;
}
