import type { Problem } from "./schemas.js";

/** The server could not be reached, or the connection broke. `cause` has the reason. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
}

/** The server refused a request or a message. */
export class ProblemError extends Error {
  override readonly name = "ProblemError";

  /**
   * @param problem the server's problem; its `type` is meant for programs.
   * @param retryAfterMs delay that the server requests.
   */
  constructor(
    readonly problem: Problem,
    readonly retryAfterMs = 0,
  ) {
    super(`${problem.title}: ${problem.detail}`);
  }
}

/** Close code of the server after the end of the session. */
export const ENDED = 1000;

/** Close code of a lost connection. */
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

/** The WebSocket was closed before the end of the session, or pictures were pushed after its end. */
export class ClosedError extends Error {
  override readonly name = "ClosedError";

  /** @param code the WebSocket's close code. */
  constructor(readonly code: number) {
    super(`the WebSocket was closed with ${code}: ${WHY[code] ?? "the session has not ended"}`);
  }
}

/** Convert an unsuccessful response to an error. */
export async function problemOf(response: Response): Promise<ProblemError> {
  const wait = Number(response.headers.get("retry-after") ?? 0);
  const waitMs = Number.isFinite(wait) ? wait * 1000 : 0;
  const text = await response.text().catch(() => "");
  if (response.headers.get("content-type")?.startsWith("application/problem+json")) {
    return new ProblemError(JSON.parse(text) as Problem, waitMs);
  }
  // The response of a proxy.
  const title = response.statusText || "The request failed";
  const detail = text.slice(0, 200) || `status ${response.status}`;
  return new ProblemError({ type: "about:blank", title, status: response.status, detail }, waitMs);
}
