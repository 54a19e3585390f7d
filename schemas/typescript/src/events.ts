import type { Envelope, EventData } from "./schemas.js";

/**
 * A text that is none of the types in `EventData`, and stands for all such: any other way to write that down keeps
 * `switch` from telling the known ones apart. There is no such enum when programs run.
 */
declare enum OtherType {
  Any = "any other type",
}

/** One event of a type that is known. */
export interface EventOf<Type extends keyof EventData> extends Omit<Envelope, "type" | "data"> {
  type: Type;
  data: EventData[Type];
}

/** An event of one of the types in `EventData`: its `type` says what its `data` is. */
export type KnownEvent = { [Type in keyof EventData]: EventOf<Type> }[keyof EventData];

/** An event of a newer fitsense, or of a plugin; its `type` is a text that can be read, but not compared with others. */
export interface OtherEvent extends Omit<Envelope, "type"> {
  type: OtherType;
}

/**
 * What a session tells. `switch (event.type)` narrows `data`; ignore types and properties that you do not know, since
 * newer servers tell more.
 */
export type FitsenseEvent = KnownEvent | OtherEvent;

/** An event from its JSON. Throws a `TypeError` if it is none; whether it obeys its schema is its sender's business. */
export function parseEvent(text: string): FitsenseEvent {
  const event = objectOf(text);
  if (typeof event["type"] !== "string" || typeof event["data"] !== "object" || event["data"] === null) {
    throw new TypeError(`expected an event with type and data, got ${text.slice(0, 80)}`);
  }
  return event as unknown as FitsenseEvent;
}

/** A JSON object, or a `TypeError`. */
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
