import { ConnectionError, ProblemError } from "./errors.js";
import { type FitsenseEvent, parseEvent } from "./events.js";
import { lines } from "./lines.js";
import type { Problem } from "./schemas.js";
import { messages } from "./sse.js";
import { sleep, Watch } from "./waiting.js";

/** What happens when the connection is lost. */
export interface Retries {
  /** Wait before the first, unless the server says how long. It doubles with each failure. */
  firstMs: number;
  /** The longest wait, unless the server asks for a longer one. */
  mostMs: number;
  /** So many failures in a row are too many. */
  attempts: number;
  /** A connection on which nothing comes for so long is lost; servers send comments meanwhile. */
  silenceMs: number;
}

export const RETRIES: Retries = { firstMs: 1000, mostMs: 30_000, attempts: 10, silenceMs: 60_000 };

/** Ask for what follows an event; 204 says that nothing does. */
export type Ask = (after: string | undefined, signal: AbortSignal) => Promise<Response>;

const PASSING = [429, 500, 502, 503, 504];

/** Events of Server-Sent Events, each once, over as many connections as it takes. */
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
    const watch = new Watch(retries.silenceMs, signal);
    let askedMs = 0;
    let told = false;
    try {
      const response = await ask(after, watch.signal);
      if (response.status === 204 || response.body === null) return;
      failures = 0;
      const read = messages(
        lines(response.body, () => watch.heard()),
        (ms) => (firstMs = ms),
      );
      for await (const message of read) {
        if (message.name === "problem") throw new ProblemError(JSON.parse(message.data) as Problem);
        const event = parseEvent(message.data);
        after = message.id || event.id;
        ended = event.type === "fitsense.session.ended";
        told = true;
        yield event;
      }
    } catch (error) {
      signal?.throwIfAborted();
      // The server has forgotten a session of which everything was told.
      if (ended && error instanceof ProblemError && error.problem.status === 404) return;
      if (!passes(error) || failures >= retries.attempts) throw error;
      if (error instanceof ProblemError) askedMs = error.retryAfterMs;
    } finally {
      watch.close();
    }
    // A stream that ended may be over, or was cut by whoever stands between: the server knows.
    if (told) continue;
    failures += 1;
    const waitMs = Math.min(retries.mostMs, firstMs * 2 ** (failures - 1));
    // Clients that lost the same server should not come back at the same moment.
    await sleep(Math.max(askedMs, waitMs * (0.5 + Math.random() / 2)), signal);
  }
}

function passes(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof ProblemError && PASSING.includes(error.problem.status));
}
