/** A message of an event stream. */
export interface Message {
  /** Name of the message; `message` by default. */
  name: string;
  data: string;
  /** Last id in the stream; empty for none. */
  id: string;
}

/**
 * Yield the messages in the lines of an event stream, by the HTML standard.
 *
 * @param retry called with the reconnection delay in milliseconds that the server requests.
 */
export async function* messages(lines: AsyncIterable<string>, retry: (ms: number) => void): AsyncGenerator<Message> {
  let name = "";
  let data: string[] = [];
  let id = "";
  for await (const line of lines) {
    if (line === "") {
      if (data.length > 0) yield { name: name || "message", data: data.join("\n"), id };
      name = "";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") data.push(value);
    else if (field === "event") name = value;
    else if (field === "id" && !value.includes("\0")) id = value;
    else if (field === "retry" && /^\d+$/.test(value)) retry(Number(value));
  }
}
