// What the types allow, and what they do not; compiled, not run.
import { Client, type EventOf, type Extension, type FitsenseEvent, parseEvent, type SessionRequest } from "fitsense-client";

declare module "fitsense-client" {
  interface EventData {
    "jumps.counted": { count: number };
  }
  interface Extensions {
    effort: Extension;
    form_quality: Extension & { ok: boolean };
  }
}

export function described(event: FitsenseEvent): string | number {
  switch (event.type) {
    case "fitsense.exercise.ended": {
      const seconds: number = event.data.duration_s;
      // @ts-expect-error It may be left out.
      const repetitions: number = event.data.repetitions;
      // @ts-expect-error An exercise's end has no code.
      event.data.code;
      return seconds + repetitions;
    }
    case "fitsense.exercise.updated": {
      const effort: number | undefined = event.data.extensions?.effort?.values["effort"];
      const ok: boolean | undefined = event.data.extensions?.form_quality?.ok;
      // @ts-expect-error A task that nobody declared is not known to have properties of its own.
      event.data.extensions?.["form"]?.ok;
      return ok ? (effort ?? 0) : (event.data.extensions?.["form"]?.label ?? "unknown");
    }
    case "fitsense.session.warning":
      // @ts-expect-error A warning has no exercise.
      event.data.exercise;
      return event.data.message;
    case "fitsense.session.ended":
      // @ts-expect-error Nothing is so misspelt.
      event.data.muscle_loads;
      return event.data.exercises[0]?.exercise ?? "nothing";
    case "jumps.counted":
      return event.data.count;
    // @ts-expect-error There is no such event.
    case "fitsense.exercise.paused":
      return 0;
    default:
      return event.type;
  }
}

export function others(event: FitsenseEvent): unknown {
  switch (event.type) {
    case "fitsense.exercise.ended":
    case "fitsense.exercise.started":
    case "fitsense.exercise.updated":
    case "fitsense.muscles.activated":
    case "fitsense.person.entered":
    case "fitsense.person.left":
    case "fitsense.repetition.completed":
    case "fitsense.session.ended":
    case "fitsense.session.progress":
    case "fitsense.session.started":
    case "fitsense.session.updated":
    case "fitsense.session.warning":
    case "jumps.counted":
      // @ts-expect-error All of these have data of their own.
      return event.data["whatever"];
    default:
      // What is not known is kept, and nothing is said of what it holds.
      return event.data["whatever"];
  }
}

export function inWords(event: FitsenseEvent): string {
  // @ts-expect-error What data holds is not known before its type is.
  event.data.duration_s;
  const type: string = event.type;
  // @ts-expect-error Events come from servers.
  event.type = "something";
  return type;
}

export const ended: EventOf<"fitsense.exercise.ended">["data"]["sets"] = [];
// @ts-expect-error Such an event is not known.
export type Paused = EventOf<"fitsense.exercise.paused">;

export const request: SessionRequest = { hop_s: 0.5, region: { left: 0, top: 0, right: 0.5, bottom: 1 }, policy: "all" };
// @ts-expect-error There is no such policy.
export const wrong: SessionRequest = { policy: "newest" };
// @ts-expect-error A word that is misspelt is refused by the server, too.
export const misspelt: SessionRequest = { hop: 0.5 };
// @ts-expect-error A region has four sides.
export const open: SessionRequest = { region: { left: 0, top: 0, right: 1 } };

export async function used(client: Client, video: Blob): Promise<void> {
  // @ts-expect-error An upload is no live source.
  client.analyze(video, { policy: "all" });
  const frames = await client.frames((await client.createSession()).id, { after: undefined });
  await frames.push(new Uint8Array(3), 0.1, "h264");
  // @ts-expect-error There is no such format.
  await frames.push(new Uint8Array(3), 0.1, "png");
  // @ts-expect-error A picture has a time.
  await frames.push(new Uint8Array(3));
  const event: FitsenseEvent = parseEvent("{}");
  // @ts-expect-error It may be of another type.
  const start: EventOf<"fitsense.session.started"> = event;
  await client.endSession(start.source);
}
