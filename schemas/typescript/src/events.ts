import type { Envelope, EventData } from "./schemas.js";

/**
 * Represents all event types outside `EventData`: other declarations would prevent `switch` from narrowing the known
 * types. The enum does not exist at run time.
 */
declare enum OtherType {
  Any = "any other type",
}

/** An event of a known type. */
export interface EventOf<Type extends keyof EventData> extends Omit<Envelope, "type" | "data"> {
  type: Type;
  data: EventData[Type];
}

/** An event of one of the types in `EventData`, discriminated by `type`. */
export type KnownEvent = { [Type in keyof EventData]: EventOf<Type> }[keyof EventData];

/** An event of a newer fitsense or of a plugin; its `type` is a string that is opaque to the compiler. */
export interface OtherEvent extends Omit<Envelope, "type"> {
  type: OtherType;
}

/**
 * An event of a session. `switch (event.type)` narrows `data`; ignore unknown types and properties, which newer servers
 * may add.
 */
export type FitsenseEvent = KnownEvent | OtherEvent;

/** Parse an event from JSON. Throws a `TypeError` if it is none; does not validate it against its schema. */
export function parseEvent(text: string): FitsenseEvent {
  const event = objectOf(text);
  if (typeof event["type"] !== "string" || typeof event["data"] !== "object" || event["data"] === null) {
    throw new TypeError(`expected an event with type and data, got ${text.slice(0, 80)}`);
  }
  return event as unknown as FitsenseEvent;
}

/** Parse a JSON object; throws a `TypeError` if it is none. */
export function objectOf(text: string): Record<string, unknown> {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw new TypeError(`expected JSON, got ${text.slice(0, 80)}`, { cause });
  }
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new TypeError(`expected a JSON object, got ${text.slice(0, 80)}`);
  }
  return document as Record<string, unknown>;
}
