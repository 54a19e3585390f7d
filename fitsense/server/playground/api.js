// The server's interface: requests with a token, and events as they come.

const KEPT = "fitsense.token";
const TRIES = 12;
const LONGEST_WAIT_MS = 8000;

let token = kept();

function kept() {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

export function setToken(text) {
  token = text;
  try {
    sessionStorage.setItem(KEPT, text);
  } catch {
    // It then lasts until the page is loaded again.
  }
}

export function hasToken() {
  return token !== "";
}

/** What the server says is wrong. */
export class Problem extends Error {
  constructor({ type = "", title = "", detail = "", status = 0, ...more }) {
    super(detail || title || `the server answered ${status}`);
    this.slug = type.replace("urn:fitsense:problem:", "");
    this.title = title;
    this.status = status;
    this.more = more;
  }
}

/** The server does not answer. */
export class Gone extends Error {}

export function address(path) {
  return new URL(path, document.baseURI);
}

/** An answer that is well; throws Problem, Gone, or an AbortError. */
export async function request(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  let response;
  try {
    response = await fetch(address(path), { cache: "no-store", ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Gone(error.message);
  }
  if (response.ok) return response;
  const document = await response.json().catch(() => ({}));
  throw new Problem({ status: response.status, ...document });
}

export async function openSession(wish, signal) {
  const headers = { "content-type": "application/json" };
  const response = await request("v1/sessions", { method: "POST", headers, body: JSON.stringify(wish), signal });
  return response.json();
}

/** Ask a session to end, even while the page is being left. */
export function endSession(id) {
  return request(`v1/sessions/${id}`, { method: "DELETE", keepalive: true });
}

export function socketOf(id) {
  const url = address(`v1/sessions/${id}/frames?events=false`);
  url.protocol = url.protocol.replace("http", "ws");
  return new WebSocket(url, token ? ["fitsense.v1", `fitsense.token.${token}`] : ["fitsense.v1"]);
}

/** The lines of an answer, as they come. */
async function* linesOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      let part;
      try {
        part = await reader.read();
      } catch (error) {
        throw error.name === "AbortError" ? error : new Gone(error.message);
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

/** A video's events. Where the connection is lost, the session's own stream says how it went on. */
export async function* analyse(file, wish, { signal, lost, found }) {
  const response = await request(`v1/analyses?${new URLSearchParams(wish)}`, {
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
    if (!(error instanceof Gone)) throw error;
  }
  yield* follow(id, { after: last, signal, lost, found });
}

/** A session's events by Server-Sent Events; a connection that is lost is taken up after the last event. */
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
      const passes = error instanceof Gone || (error instanceof Problem && [429, 502, 503, 504].includes(error.status));
      if (!passes || tries >= TRIES) throw error;
    }
    if (tries >= TRIES) throw new Gone("the stream breaks off again and again");
    lost();
    await pause(Math.min(500 * 2 ** tries, LONGEST_WAIT_MS), signal);
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

/** Wait; throws an AbortError when it is no longer worth it. */
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
