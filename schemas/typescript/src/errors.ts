import type { Problem } from "./schemas.js";

/** The server could not be reached, or the connection broke. `cause` has the reason. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The server refused something, and said why. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  /**
   * @param problem what the server said; programs decide by its `type`.
   * @param retryAfterMs how long it asks to wait.
   */
  constructor(
    readonly problem: Problem,
    readonly retryAfterMs = 0,
  ) {
    super(`${problem.title}: ${problem.detail}`);
  }
}

/** What the server closes a WebSocket with when its session has ended. */
export const ENDED = 1000;

/** What a WebSocket is closed with when nobody did. */
export const LOST = 1006;

const WHY: Record<number, string> = {
  [ENDED]: "the session has ended",
  [LOST]: "the connection was lost",
  1009: "a message was too large",
  1012: "the server stops",
  4408: "the client took nothing for too long",
  4409: "another connection pushes into the session",
  4410: "some events are not kept any more",
};

/** A WebSocket is closed: before its session had ended, or to pictures that come after it. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";

  /** @param code the WebSocket's close code. */
  constructor(readonly code: number) {
    super(`the WebSocket was closed with ${code}: ${WHY[code] ?? "the session has not ended"}`);
  }
}

/** What an answer that is no success says is wrong. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const wait = Number(response.headers.get("retry-after") ?? 0);
  const waitMs = Number.isFinite(wait) ? wait * 1000 : 0;
  const text = await response.text().catch(() => "");
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    return new ProblemError(JSON.parse(text) as Problem, waitMs);
  }
  // A proxy speaks for the server.
  const title = response.statusText || "The request failed";
  const detail = text.slice(0, 200) || `status ${response.status}`;
  return new ProblemError({ type: "about:blank", title, status: response.status, detail }, waitMs);
}
