import { ConnectionError, ProblemError } from "./errors.js";
import { type FitsenseEvent, parseEvent } from "./events.js";
import { lines } from "./lines.js";
import type { Problem } from "./schemas.js";
import { messages } from "./sse.js";
import { sleep, SilenceTimeout } from "./waiting.js";

/** Reconnection after a lost connection. */
export interface Retries {
  /** Delay before the first attempt, unless the server states one. It doubles with each failure. */
  firstMs: number;
  /** Longest delay, unless the server requests a longer one. */
  maxMs: number;
  /** Number of consecutive failures after which reading fails. */
  attempts: number;
  /** Time without data after which a connection counts as lost; servers send comments in idle times. */
  silenceMs: number;
}

export const RETRIES: Retries = { firstMs: 1000, maxMs: 30_000, attempts: 10, silenceMs: 60_000 };

/** Requests the events after an event; status 204 means that there are none. */
export type Ask = (after: string | undefined, signal: AbortSignal) => Promise<Response>;

const PASSING = [429, 500, 502, 503, 504];

/** Yield each event of an event stream once, over any number of connections. */
export async function* follow(
  ask: Ask,
  retries: Retries,
  after?: string,
  signal?: AbortSignal,
): AsyncGenerator<FitsenseEvent> {
  let failures = 0;
  let firstMs = retries.firstMs;
  let ended = false;
  for (;;) {
    signal?.throwIfAborted();
    const timeout = new SilenceTimeout(retries.silenceMs, signal);
    let askedMs = 0;
    let received = false;
    try {
      const response = await ask(after, timeout.signal);
      if (response.status === 204 || response.body === null) return;
      failures = 0;
      const read = messages(
        lines(response.body, () => timeout.heard()),
        (ms) => (firstMs = ms),
      );
      for await (const message of read) {
        if (message.name === "problem") throw new ProblemError(JSON.parse(message.data) as Problem);
        const event = parseEvent(message.data);
        after = message.id || event.id;
        ended = event.type === "fitsense.session.ended";
        received = true;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // The server has deleted the session after all its events were received.
      if (ended && error instanceof ProblemError && error.problem.status === 404) return;
      if (!passes(error) || failures >= retries.attempts) throw error;
      if (error instanceof ProblemError) askedMs = error.retryAfterMs;
    } finally {
      timeout.close();
    }
    // The stream may be complete, or a proxy may have cut it: ask the server.
    if (received) continue;
    failures += 1;
    const waitMs = Math.min(retries.maxMs, firstMs * 2 ** (failures - 1));
    // Jitter keeps clients from reconnecting at the same moment.
    await sleep(Math.max(askedMs, waitMs * (0.5 + Math.random() / 2)), signal);
  }
}

function passes(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ProblemError && PASSING.includes(error.problem.status));
}
