// Writes src/schemas.ts from the JSON Schemas in ../v1; with --check, fails if the file differs.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { compile } from "json-schema-to-typescript";

const SCHEMAS = new URL("../v1/", import.meta.url);
const TYPES = new URL("src/schemas.ts", import.meta.url);
const SUFFIX = ".schema.json";
const BANNER = "// Generated from ../v1 by `npm run generate`; do not edit.";
// Schemas that describe no event data, and schemas that never go over the network.
const NO_EVENTS = ["common", "envelope"];
const NOT_ON_THE_WIRE = ["model"];

/** `exercise.ended` as `ExerciseEnded`; schemas of the server without `server`. `Set` is taken. */
function typeName(name) {
  if (name === "set") return "ExerciseSet";
  const words = name.replace(/^server\./, "").split(/[._]/);
  return words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
}

/** A schema with references into one document, and without titles, which would name its parts. */
function placed(part, name) {
  if (Array.isArray(part)) return part.map((each) => placed(each, name));
  if (part === null || typeof part !== "object") return part;
  const entries = Object.entries(part).filter(
    // A property may also be called title.
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
    // events.ts maps types to schemas.
    delete definitions[typeName(name)].allOf;
    if (!NO_EVENTS.includes(name) && !name.startsWith("server.")) {
      events[`fitsense.${name}`] = { $ref: `#/$defs/${typeName(name)}` };
    }
  }
  // The data depends on the type.
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
// The origin of a type is of no use in editor tooltips.
const written = compiled.replace(/ \*\n \* This interface was referenced by .*\n \* via the `definition` .*\n/g, "");
if (!process.argv.includes("--check")) {
  writeFileSync(TYPES, written);
} else if (readFileSync(TYPES, "utf8") !== written) {
  console.error("src/schemas.ts is not as ../v1 says: run `npm run generate` in schemas/typescript, and commit it");
  process.exitCode = 1;
}
