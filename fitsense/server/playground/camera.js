// The camera, and the transfer of its pictures to the server.

import { pause, socketOf } from "./api.js";

const IMAGE = 1;
const VERSION = 1;
const HEADER_BYTES = 10;
const SHORT_SIDE = 256;
const QUALITY = 0.8;
const MAX_RATE_HZ = 10;
const MIN_RATE_HZ = 4;
// Limits the browser's queue to about one picture: new pictures are more useful than old ones.
const MAX_BUFFERED_BYTES = 32768;
const ENDED = 1000;
const TAKEN_OVER = 4409;

/** Open the camera and show its stream in a video element. */
export async function openCamera(video) {
  if (!navigator.mediaDevices) throw new DOMException("no secure context", "SecurityError");
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: false,
    video: { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
  });
  video.srcObject = stream;
  try {
    await video.play();
  } catch (error) {
    closeCamera(stream);
    throw error;
  }
  return stream;
}

export function closeCamera(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/** Pushes the pictures of a video element into a session until it is stopped or the session ends. */
export class Pusher {
  /** @param onProblem called with each problem that the server reports. */
  constructor(id, video, { onProblem, onTakeover }) {
    this.id = id;
    this.video = video;
    this.onProblem = onProblem;
    this.onTakeover = onTakeover;
    this.rateHz = MAX_RATE_HZ;
    this.sent = 0;
    this.skipped = 0;
    this.startedMs = performance.now();
    this.lastUs = -1;
    this.canvas = document.createElement("canvas");
    this.stopping = new AbortController();
    this.socket = null;
    this.done = this.#run();
  }

  get elapsedS() {
    return (performance.now() - this.startedMs) / 1000;
  }

  /** Reduce the rate, because the server drops pictures. */
  slower() {
    this.rateHz = Math.max(MIN_RATE_HZ, this.rateHz * 0.75);
  }

  /** Stop pushing; the server analyses the queued pictures. Returns whether the server was notified. */
  finish() {
    const open = this.socket?.readyState === WebSocket.OPEN;
    if (open) this.socket.send(JSON.stringify({ op: "finish" }));
    this.stopping.abort();
    return open;
  }

  async #run() {
    const { signal } = this.stopping;
    try {
      for (let tries = 0; !signal.aborted; tries += 1) {
        const sent = this.sent;
        const code = await this.#connection(signal);
        if (code === TAKEN_OVER) this.onTakeover();
        if (code === ENDED || code === TAKEN_OVER) return;
        if (this.sent > sent) tries = 0;
        await pause(Math.min(500 * 2 ** tries, 8000), signal);
      }
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  /** Run one connection; returns its close code. */
  async #connection(signal) {
    const socket = socketOf(this.id);
    this.socket = socket;
    const closed = new Promise((resolve) => socket.addEventListener("close", (event) => resolve(event.code)));
    socket.addEventListener("message", ({ data }) => this.onProblem(JSON.parse(data)));
    let open = true;
    closed.then(() => {
      open = false;
    });
    while (open && !signal.aborted) {
      const begunMs = performance.now();
      if (socket.readyState === WebSocket.OPEN) await this.#push(socket);
      const restMs = 1000 / this.rateHz - (performance.now() - begunMs);
      await Promise.race([closed, pause(Math.max(restMs, 5), signal)]);
    }
    return closed;
  }

  async #push(socket) {
    const { videoWidth: width, videoHeight: height } = this.video;
    if (!width || this.video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return;
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      this.skipped += 1;
      return;
    }
    const timeUs = Math.round(1000 * (performance.now() - this.startedMs));
    const scale = Math.min(1, SHORT_SIDE / Math.min(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const picture = await new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", QUALITY));
    if (!picture || socket.readyState !== WebSocket.OPEN || timeUs <= this.lastUs) return;
    socket.send(message(timeUs, await picture.arrayBuffer()));
    this.lastUs = timeUs;
    this.sent += 1;
  }
}

/** Build a message: a header (version, format, microseconds of media time) and the picture. */
function message(timeUs, picture) {
  const bytes = new Uint8Array(HEADER_BYTES + picture.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, IMAGE);
  view.setBigInt64(2, BigInt(timeUs));
  bytes.set(new Uint8Array(picture), HEADER_BYTES);
  return bytes;
}
