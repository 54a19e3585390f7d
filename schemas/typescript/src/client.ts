import { ConnectionError, problemOf } from "./errors.js";
import { type FitsenseEvent, parseEvent } from "./events.js";
import { follow, type Retries, RETRIES } from "./following.js";
import { Frames, type FramesOptions, type SocketConstructor } from "./frames.js";
import { lines } from "./lines.js";
import type { Session, SessionRequest } from "./schemas.js";

const SUBPROTOCOL = "fitsense.v1";
const TOKEN_SUBPROTOCOL = "fitsense.token.";
const MAX_BUFFERED_BYTES = 1 << 20;

/** Options of a client. */
export interface ClientOptions {
  /** One of the server's tokens, if it has any. */
  token?: string | undefined;
  /** Reconnection of {@link Client.events}. */
  retries?: Partial<Retries>;
  /** Number of bytes that may be buffered in a WebSocket before `push` waits. */
  maxBufferedBytes?: number;
  /** Replacement for `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Replacement for `WebSocket`, which Node 20 lacks. */
  WebSocket?: SocketConstructor;
}

/** Options of an analysis. */
export type AnalysisRequest = Pick<
  SessionRequest,
  "bundle" | "region" | "hop_s" | "exercises" | "expected" | "people" | "started_at"
>;

/** A video file; in Node, `await openAsBlob(path)` streams it from disk. */
export type Video = Blob | ArrayBuffer | ArrayBufferView | ReadableStream<Uint8Array>;

/** Options for reading events. */
export interface ReadOptions {
  /** Id of the last event that the client has; reading starts after it. */
  after?: string | undefined;
  /** Aborts with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A client of `fitsense serve`. Every method throws {@link ProblemError} if the server refuses the request,
 * {@link ConnectionError} if the server cannot be reached, and the reason of an aborted signal.
 */
export class Client {
  readonly #base: URL;
  readonly #options: ClientOptions;

  /** @param url such as `http://127.0.0.1:8765`, optionally with the path prefix of a proxy. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#base = new URL(url);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#options = options;
  }

  /** Open a session. It reads the source of the request, or receives pushed pictures if there is none. */
  async createSession(request: SessionRequest = {}, signal?: AbortSignal): Promise<Session> {
    const headers = { "content-type": "application/json" };
    const response = await this.#ask("v1/sessions", { method: "POST", headers, body: JSON.stringify(request) }, signal);
    return (await response.json()) as Session;
  }

  /** List open sessions and those that ended recently. */
  async sessions(signal?: AbortSignal): Promise<Session[]> {
    const response = await this.#ask("v1/sessions", {}, signal);
    return ((await response.json()) as { sessions: Session[] }).sessions;
  }

  /** Show a session. */
  async session(id: string, signal?: AbortSignal): Promise<Session> {
    return (await (await this.#ask(pathOf(id), {}, signal)).json()) as Session;
  }

  /** End a session and return its final state; delete a session that has ended and return undefined. */
  async endSession(id: string, signal?: AbortSignal): Promise<Session | undefined> {
    const response = await this.#ask(pathOf(id), { method: "DELETE" }, signal);
    return response.status === 204 ? undefined : ((await response.json()) as Session);
  }

  /** Analyse a video and yield its events as they happen. To stop reading ends the analysis. */
  async *analyze(video: Video, request: AnalysisRequest = {}, signal?: AbortSignal): AsyncGenerator<FitsenseEvent> {
    const query = new URLSearchParams();
    const { region, ...rest } = request;
    for (const [name, value] of Object.entries(rest)) if (value != null) query.set(name, String(value));
    if (region) query.set("region", [region.left, region.top, region.right, region.bottom].join());
    // Streams require half-duplex requests; TypeScript's DOM types lack the property.
    const stream = video instanceof ReadableStream ? { duplex: "half" } : {};
    const asked: RequestInit = { method: "POST", body: video as BodyInit, ...stream };
    yield* events(await this.#ask(`v1/analyses?${query}`, asked, signal), signal);
  }

  /**
   * Yield the events of a session as they happen, until it ends. Reconnects after a lost connection without repeating
   * or missing events.
   */
  events(id: string, options: ReadOptions = {}): AsyncGenerator<FitsenseEvent> {
    const retries = { ...RETRIES, ...this.#options.retries };
    return follow(
      (after, signal) => {
        const headers: Record<string, string> = { accept: "text/event-stream" };
        if (after !== undefined) headers["last-event-id"] = after;
        return this.#ask(`${pathOf(id)}/events`, { headers, cache: "no-store" }, signal);
      },
      retries,
      options.after,
      options.signal,
    );
  }

  /** Yield the events of a session so far. */
  async *eventsSoFar(id: string, { after, signal }: ReadOptions = {}): AsyncGenerator<FitsenseEvent> {
    const query = after === undefined ? "" : `?${new URLSearchParams({ after })}`;
    yield* events(await this.#ask(`${pathOf(id)}/events.ndjson${query}`, {}, signal), signal);
  }

  /** Open the WebSocket of a session to push pictures and to read its events. */
  async frames(id: string, options: FramesOptions = {}): Promise<Frames> {
    options.signal?.throwIfAborted();
    const { token, maxBufferedBytes = MAX_BUFFERED_BYTES } = this.#options;
    const Socket: SocketConstructor | undefined = this.#options.WebSocket ?? globalThis.WebSocket;
    if (Socket === undefined) {
      throw new Error("expected a WebSocket: Node 20 has one with --experimental-websocket; or give the option WebSocket");
    }
    const url = new URL(`${pathOf(id)}/frames`, this.#base);
    url.protocol = this.#base.protocol === "https:" ? "wss:" : "ws:";
    if (options.after !== undefined) url.searchParams.set("after", options.after);
    if (options.events === false) url.searchParams.set("events", "false");
    // Web pages cannot set the headers of a WebSocket.
    const protocols = token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, TOKEN_SUBPROTOCOL + token];
    return Frames.open(new Socket(url.href, protocols), maxBufferedBytes, options);
  }

  async #ask(path: string, request: RequestInit, signal?: AbortSignal): Promise<Response> {
    const headers = new Headers(request.headers);
    if (this.#options.token !== undefined) headers.set("authorization", `Bearer ${this.#options.token}`);
    const url = new URL(path, this.#base);
    const fetch = this.#options.fetch ?? globalThis.fetch;
    let response: Response;
    try {
      response = await fetch(url, { ...request, headers, signal: signal ?? null });
    } catch (cause) {
      signal?.throwIfAborted();
      throw new ConnectionError(`${url.origin} cannot be reached`, { cause });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

function pathOf(id: string): string {
  return `v1/sessions/${encodeURIComponent(id)}`;
}

async function* events(response: Response, signal?: AbortSignal): AsyncGenerator<FitsenseEvent> {
  if (response.body === null) return;
  try {
    for await (const line of lines(response.body)) if (line !== "") yield parseEvent(line);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
