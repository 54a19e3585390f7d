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
 * How a picture is encoded: `image` is a JPEG or WebP file, `h264` an access unit as an Annex B byte stream, `vp8` a
 * frame. A connection's video begins with a key frame.
 */
export type Format = keyof typeof FORMATS;

/** What a picture is held in. */
export type Picture = ArrayBuffer | ArrayBufferView | Blob;

/** What is needed of a `WebSocket`; that of browsers, of Node 22 and of the package ws have it. */
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

/** Further options of a connection. */
export interface FramesOptions {
  /** Id of the last event that is known; those after it are told. */
  after?: string | undefined;
  /** Whether events are told; they are, unless this is false. */
  events?: boolean;
  /** Is told what the server refuses, such as a damaged picture; the session goes on. Without, it ends the events. */
  onProblem?: (problem: Problem) => void;
  /** Closes the connection. */
  signal?: AbortSignal | undefined;
}

/**
 * A picture as the server's WebSocket expects it: a header of ten bytes, and the picture.
 *
 * @param timeS its time, in seconds of media time.
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

/** How it ended; without an error as it should. */
interface Closed {
  error?: unknown;
}

/** A session's WebSocket: pictures go in, events come out. */
export class Frames {
  /** Id of the last event that came: where to go on, should the connection be lost. */
  after: string | undefined;

  readonly #socket: Socket;
  readonly #mostBytes: number;
  readonly #onProblem: ((problem: Problem) => void) | undefined;
  readonly #waiting: FitsenseEvent[] = [];
  #sending: Promise<void> = Promise.resolve();
  #closed: Closed | undefined;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket, mostBytes: number, options: FramesOptions) {
    this.#socket = socket;
    this.#mostBytes = mostBytes;
    this.#onProblem = options.onProblem;
    this.after = options.after;
  }

  /** Use `Client.frames`. */
  static open(socket: Socket, mostBytes: number, options: FramesOptions): Promise<Frames> {
    const frames = new Frames(socket, mostBytes, options);
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
      // Some that cannot be opened say so by an error alone, others close as well.
      socket.onerror = () => lost(new ClosedError(LOST));
      socket.onclose = (event) => (event.code === ENDED ? end({}) : lost(new ClosedError(event.code)));
      signal?.addEventListener("abort", aborted, { once: true });
    });
  }

  /**
   * Push a picture. It resolves when there is room for the next one; those who do not wait for it push in order all the
   * same.
   *
   * @param timeS its time, in seconds of media time; later than that of the picture before it.
   * @throws ClosedError if the connection, or the session, is over.
   */
  push(picture: Picture, timeS: number, format: Format = "image"): Promise<void> {
    return this.#inTurn(async () => {
      const bytes = picture instanceof Blob ? await picture.arrayBuffer() : picture;
      this.#send(pack(bytes, timeS, format));
      while (this.#closed === undefined && this.#socket.bufferedAmount > this.#mostBytes) await sleep(POLL_MS);
    });
  }

  /** Say that no more pictures come. What waits is analysed, and the last event is `fitsense.session.ended`. */
  finish(): Promise<void> {
    const control: Control = { op: "finish" };
    return this.#inTurn(async () => this.#send(JSON.stringify(control)));
  }

  /** Leave. The session goes on, until it is idle for too long. */
  close(): void {
    this.#end({});
  }

  /**
   * The events, as they come, until the session has ended. Read them once; whoever stops reading leaves.
   *
   * @throws ProblemError for what the server refuses, if nobody else is told.
   * @throws ClosedError if the connection is over before the session is; go on with a new one, after `after`.
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

  /** What comes first says how it ended. */
  #end(closed: Closed): void {
    if (this.#closed !== undefined) return;
    this.#closed = closed;
    this.#socket.close();
    this.#wake();
  }
}
