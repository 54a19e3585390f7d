import { ClosedError, ConnectionError, ENDED, LOST, ProblemError } from "./errors.js";
import { type FitsenseEvent, objectOf, parseEvent } from "./events.js";
import type { Control, Problem } from "./schemas.js";
import { sleep } from "./waiting.js";

const VERSION = 1;
const HEADER_BYTES = 10;
const FORMATS = { image: 1, h264: 2, vp8: 3 } as const;
const EVENTS_GONE = "urn:fitsense:problem:events-gone";
const REFUSED = "the WebSocket was refused: is the server there, the session known, the token right?";
const POLL_MS = 5;

/**
 * Encoding of a picture: `image` is a JPEG or WebP file, `h264` an access unit as an Annex B byte stream, `vp8` a
 * frame. A connection's video begins with a key frame.
 */
export type Format = keyof typeof FORMATS;

/** The content of an encoded picture. */
export type Picture = ArrayBuffer | ArrayBufferView | Blob;

/** The required part of a `WebSocket`, which browsers, Node 22 and the package ws provide. */
export interface Socket {
  readonly bufferedAmount: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  send(data: any): void;
  close(code?: number): void;
}

/** The class of a {@link Socket}. */
export type SocketConstructor = new (url: string, protocols: string[]) => Socket;

/** Options of a connection. */
export interface FramesOptions {
  /** Id of the last event that the client has; events after it are sent. */
  after?: string | undefined;
  /** Whether the server sends events; true by default. */
  events?: boolean;
  /** Receives problems, such as of a damaged picture; the session continues. Without it, a problem ends the events. */
  onProblem?: (problem: Problem) => void;
  /** Closes the connection. */
  signal?: AbortSignal | undefined;
}

/**
 * Build a message for the WebSocket: a header of ten bytes and the picture.
 *
 * @param timeS presentation time in seconds of media time.
 */
export function pack(picture: ArrayBuffer | ArrayBufferView, timeS: number, format: Format = "image"): Uint8Array {
  const bytes = ArrayBuffer.isView(picture)
    ? new Uint8Array(picture.buffer, picture.byteOffset, picture.byteLength)
    : new Uint8Array(picture);
  const message = new Uint8Array(HEADER_BYTES + bytes.length);
  const header = new DataView(message.buffer);
  header.setUint8(0, VERSION);
  header.setUint8(1, FORMATS[format]);
  header.setBigInt64(2, BigInt(Math.round(timeS * 1e6)));
  message.set(bytes, HEADER_BYTES);
  return message;
}

/** The end of a connection; without an error after a normal end. */
interface Closed {
  error?: unknown;
}

/** The WebSocket of a session: sends pictures and receives events. */
export class Frames {
  /** Id of the last event received: where to resume after a lost connection. */
  after: string | undefined;

  readonly #socket: Socket;
  readonly #maxBytes: number;
  readonly #onProblem: ((problem: Problem) => void) | undefined;
  readonly #waiting: FitsenseEvent[] = [];
  #sending: Promise<void> = Promise.resolve();
  #closed: Closed | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, maxBytes: number, options: FramesOptions) {
    this.#socket = socket;
    this.#maxBytes = maxBytes;
    this.#onProblem = options.onProblem;
    this.after = options.after;
  }

  /** Use `Client.frames`. */
  static open(socket: Socket, maxBytes: number, options: FramesOptions): Promise<Frames> {
    const frames = new Frames(socket, maxBytes, options);
    const { signal } = options;
    return new Promise((resolve, reject) => {
      let opened = false;
      const end = (closed: Closed): void => {
        signal?.removeEventListener("abort", aborted);
        frames.#end(closed);
        reject(closed.error);
      };
      const aborted = (): void => end({ error: signal?.reason });
      const lost = (error: ClosedError): void => end({ error: opened ? error : new ConnectionError(REFUSED) });
      socket.onopen = () => {
        opened = true;
        resolve(frames);
      };
      socket.onmessage = (event) => frames.#take(event.data);
      // Some implementations report a failed opening by an error only, others also close.
      socket.onerror = () => lost(new ClosedError(LOST));
      socket.onclose = (event) => (event.code === ENDED ? end({}) : lost(new ClosedError(event.code)));
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  /**
   * Push a picture. Resolves when there is room for the next one; pictures stay in order even if callers do not wait.
   *
   * @param timeS presentation time in seconds of media time, later than that of the previous picture.
   * @throws ClosedError if the connection or the session has ended.
   */
  push(picture: Picture, timeS: number, format: Format = "image"): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = picture instanceof Blob ? await picture.arrayBuffer() : picture;
      this.#send(pack(bytes, timeS, format));
      while (this.#closed === undefined && this.#socket.bufferedAmount > this.#maxBytes) await sleep(POLL_MS);
    });
  }

  /** Finish the session: the server analyses the queued pictures; the last event is `fitsense.session.ended`. */
  finish(): Promise<void> {
    const control: Control = { op: "finish" };
    return this.#inTurn(async () => this.#send(JSON.stringify(control)));
  }

  /** Close the connection. The session continues until its idle timeout. */
  close(): void {
    this.#end({});
  }

  /**
   * Yield the events as they come until the session ends. Call it once; to stop reading closes the connection.
   *
   * @throws ProblemError for problems without `onProblem`.
   * @throws ClosedError if the connection ends before the session; resume with a new connection after `after`.
   */
  async *events(): AsyncGenerator<FitsenseEvent> {
    try {
      for (;;) {
        let event: FitsenseEvent | undefined;
        while ((event = this.#waiting.shift()) !== undefined) {
          this.after = event.id;
          yield event;
        }
        if (this.#closed !== undefined) {
          if ("error" in this.#closed) throw this.#closed.error;
          return;
        }
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }

  #inTurn(action: () => Promise<void>): Promise<void> {
    const turn = this.#sending.then(action);
    this.#sending = turn.catch(() => undefined);
    return turn;
  }

  #send(message: Uint8Array | string): void {
    if (this.#closed !== undefined) throw "error" in this.#closed ? this.#closed.error : new ClosedError(ENDED);
    this.#socket.send(message);
  }

  #take(text: string): void {
    if (this.#closed !== undefined) return;
    try {
      const document = objectOf(text);
      if ("specversion" in document) {
        this.#waiting.push(parseEvent(text));
        this.#wake();
        return;
      }
      const problem = document as unknown as Problem;
      if (problem.type === EVENTS_GONE || this.#onProblem === undefined) throw new ProblemError(problem);
      this.#onProblem(problem);
    } catch (error) {
      this.#end({ error });
    }
  }

  /** The first call determines how the connection ended. */
  #end(closed: Closed): void {
    if (this.#closed !== undefined) return;
    this.#closed = closed;
    this.#socket.close();
    this.#wake();
  }
}
