import { ConnectionError, problemOf } from "./errors.js";
import { type FitsenseEvent, parseEvent } from "./events.js";
import { follow, type Retries, RETRIES } from "./following.js";
import { Frames, type FramesOptions, type SocketConstructor } from "./frames.js";
import { lines } from "./lines.js";
import type { Session, SessionRequest } from "./schemas.js";

const SUBPROTOCOL = "fitsense.v1";
const TOKEN_SUBPROTOCOL = "fitsense.token.";
const MOST_BUFFERED_BYTES = 1 << 20;

/** How a client works; all of it may be left out. */
export interface ClientOptions {
  /** One of the server's tokens, if it has any. */
  token?: string | undefined;
  /** What happens when the connection of {@link Client.events} is lost. */
  retries?: Partial<Retries>;
  /** Bytes of pictures that may wait in a WebSocket before `push` waits. */
  mostBufferedBytes?: number;
  /** Another `fetch`. */
  fetch?: typeof globalThis.fetch;
  /** Another `WebSocket`; Node 20 has none of its own. */
  WebSocket?: SocketConstructor;
}

/** What an analysis may be asked beside its video. */
export type AnalysisRequest = Pick<
  SessionRequest,
  "bundle" | "region" | "hop_s" | "exercises" | "expected" | "people" | "started_at"
>;

/** A video file: in Node, `await openAsBlob(path)` reads it as it is sent. */
export type Video = Blob | ArrayBuffer | ArrayBufferView | ReadableStream<Uint8Array>;

/** Where to begin, and when to stop. */
export interface ReadOptions {
  /** Id of the last event that is known; those after it are told. */
  after?: string | undefined;
  /** Stops at once, with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/**
 * A `fitsense serve`. Every method throws {@link ProblemError} for what the server refuses, {@link ConnectionError} if
 * it cannot be reached, and a signal's own reason.
 */
export class Client {
  readonly #base: URL;
  readonly #options: ClientOptions;

  /** @param url such as `http://127.0.0.1:8765`, also with a path that a proxy put before the server's own. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#base = new URL(url);
    if (!this.#base.pathname.endsWith("/")) this.#base.pathname += "/";
    this.#options = options;
  }

  /** Open a session: pictures are pushed into it, unless the request names a source. */
  async createSession(request: SessionRequest = {}, signal?: AbortSignal): Promise<Session> {
    const headers = { "content-type": "application/json" };
    const response = await this.#ask("v1/sessions", { method: "POST", headers, body: JSON.stringify(request) }, signal);
    return (await response.json()) as Session;
  }

  /** Those that are open, or ended lately. */
  async sessions(signal?: AbortSignal): Promise<Session[]> {
    const response = await this.#ask("v1/sessions", {}, signal);
    return ((await response.json()) as { sessions: Session[] }).sessions;
  }

  /** One of them. */
  async session(id: string, signal?: AbortSignal): Promise<Session> {
    return (await (await this.#ask(pathOf(id), {}, signal)).json()) as Session;
  }

  /** End a session, and give what became of it; forget one that has ended, and give nothing. */
  async endSession(id: string, signal?: AbortSignal): Promise<Session | undefined> {
    const response = await this.#ask(pathOf(id), { method: "DELETE" }, signal);
    return response.status === 204 ? undefined : ((await response.json()) as Session);
  }

  /** The events of a video, as they happen. Whoever stops reading ends the analysis. */
  async *analyze(video: Video, request: AnalysisRequest = {}, signal?: AbortSignal): AsyncGenerator<FitsenseEvent> {
    const query = new URLSearchParams();
    const { region, ...rest } = request;
    for (const [name, value] of Object.entries(rest)) if (value != null) query.set(name, String(value));
    if (region) query.set("region", [region.left, region.top, region.right, region.bottom].join());
    // A stream's end is not known when the request begins; TypeScript's DOM does not know the word for it.
    const stream = video instanceof ReadableStream ? { duplex: "half" } : {};
    const asked: RequestInit = { method: "POST", body: video as BodyInit, ...stream };
    yield* events(await this.#ask(`v1/analyses?${query}`, asked, signal), signal);
  }

  /**
   * A session's events, as they happen, until it has ended. A connection that is lost is opened again, and none is told
   * twice or left out.
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

  /** A session's events so far. */
  async *eventsSoFar(id: string, { after, signal }: ReadOptions = {}): AsyncGenerator<FitsenseEvent> {
    const query = after === undefined ? "" : `?${new URLSearchParams({ after })}`;
    yield* events(await this.#ask(`${pathOf(id)}/events.ndjson${query}`, {}, signal), signal);
  }

  /** The WebSocket of a session, to push pictures into it and to read its events. */
  async frames(id: string, options: FramesOptions = {}): Promise<Frames> {
    options.signal?.throwIfAborted();
    const { token, mostBufferedBytes = MOST_BUFFERED_BYTES } = this.#options;
    const Socket: SocketConstructor | undefined = this.#options.WebSocket ?? globalThis.WebSocket;
    if (Socket === undefined) {
      throw new Error("expected a WebSocket: Node 20 has one with --experimental-websocket; or give the option WebSocket");
    }
    const url = new URL(`${pathOf(id)}/frames`, this.#base);
    url.protocol = this.#base.protocol === "https:" ? "wss:" : "ws:";
    if (options.after !== undefined) url.searchParams.set("after", options.after);
    if (options.events === false) url.searchParams.set("events", "false");
    // Pages cannot set a WebSocket's headers.
    const protocols = token === undefined ? [SUBPROTOCOL] : [SUBPROTOCOL, TOKEN_SUBPROTOCOL + token];
    return Frames.open(new Socket(url.href, protocols), mostBufferedBytes, options);
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
