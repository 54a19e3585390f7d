// Client of the server's API: authenticated requests and event streams.

const TOKEN_KEY = "fitsense.token";
const TRIES = 12;
const MAX_WAIT_MS = 8000;

let token = storedToken();

function storedToken() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

export function setToken(text) {
  token = text;
  try {
    sessionStorage.setItem(TOKEN_KEY, text);
  } catch {
    // Without storage, the token lasts until a reload.
  }
}

export function hasToken() {
  return token !== "";
}

/** A problem that the server reports. */
export class Problem extends Error {
  constructor({ type = "", title = "", detail = "", status = 0, ...members }) {
    super(detail || title || `the server answered ${status}`);
    this.slug = type.replace("urn:fitsense:problem:", "");
    this.title = title;
    this.status = status;
    this.members = members;
  }
}

/** The server does not respond. */
export class Unreachable extends Error {}

export function address(path) {
  return new URL(path, document.baseURI);
}

/** Send a request; throws Problem, Unreachable, or an AbortError. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  let response;
  try {
    response = await fetch(address(path), { cache: "no-store", ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Unreachable(error.message);
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  throw new Problem({ status: response.status, ...document });
}

export async function openSession(sessionRequest, signal) {
  const headers = { "content-type": "application/json" };
  const response = await request("v1/sessions", { method: "POST", headers, body: JSON.stringify(sessionRequest), signal });
  return response.json();
}

/** End a session, even while the page is being closed. */
export function endSession(id) {
  return request(`v1/sessions/${id}`, { method: "DELETE", keepalive: true });
}

export function socketOf(id) {
  const url = address(`v1/sessions/${id}/frames?events=false`);
  url.protocol = url.protocol.replace("http", "ws");
  return new WebSocket(url, token ? ["fitsense.v1", `fitsense.token.${token}`] : ["fitsense.v1"]);
}

/** Yield the lines of a response as they arrive. */
async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      let part;
      try {
        part = await reader.read();
      } catch (error) {
        throw error.name === "AbortError" ? error : new Unreachable(error.message);
      }
      if (part.done) break;
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const line of lines) yield line.replace(/\r$/, "");
    }
  } finally {
    reader.cancel().catch(() => {});
  }
  if (rest) yield rest;
}

/** Yield the events of a video. After a lost connection, the event stream of the session continues. */
export async function* analyse(file, sessionRequest, { signal, lost, found }) {
  const response = await request(`v1/analyses?${new URLSearchParams(sessionRequest)}`, {
    method: "POST",
    headers: { "content-type": file.type || "application/octet-stream" },
    body: file,
    signal,
  });
  found();
  const id = response.headers.get("location").split("/").pop();
  let last = null;
  try {
    for await (const line of linesOf(response)) {
      if (!line) continue;
      const event = JSON.parse(line);
      last = event.id;
      yield event;
      if (event.type === "fitsense.session.ended") return;
    }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
  }
  yield* follow(id, { after: last, signal, lost, found });
}

/** Yield the events of a session from Server-Sent Events; reconnects after the last event. */
export async function* follow(id, { after = null, signal, lost, found }) {
  let last = after;
  let tries = 0;
  for (;;) {
    try {
      const headers = last === null ? {} : { "last-event-id": last };
      const response = await request(`v1/sessions/${id}/events`, { headers, signal });
      if (response.status === 204) return;
      found();
      for await (const { id: number, event, data } of messagesOf(response)) {
        tries = 0;
        const document = JSON.parse(data);
        if (event === "problem") throw new Problem(document);
        last = number;
        yield document;
        if (document.type === "fitsense.session.ended") return;
      }
    } catch (error) {
      const passes = error instanceof Unreachable || (error instanceof Problem && [429, 502, 503, 504].includes(error.status));
      if (!passes || tries >= TRIES) throw error;
    }
    if (tries >= TRIES) throw new Unreachable("the stream breaks off again and again");
    lost();
    await pause(Math.min(500 * 2 ** tries, MAX_WAIT_MS), signal);
    tries += 1;
  }
}

async function* messagesOf(response) {
  let message = { id: "", event: "message", data: [] };
  for await (const line of linesOf(response)) {
    if (line === "") {
      if (message.data.length) yield { ...message, data: message.data.join("\n") };
      message = { id: message.id, event: "message", data: [] };
      continue;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "data") message.data.push(value);
    else if (field === "id" || field === "event") message[field] = value;
  }
}

/** Wait; throws an AbortError if the signal is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
