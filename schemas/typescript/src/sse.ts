/** A message of an event stream. */
export interface Message {
  /** `message`, unless the stream names it. */
  name: string;
  data: string;
  /** The last id that the stream told; empty for none. */
  id: string;
}

/**
 * The messages in the lines of an event stream, as the HTML standard says to read them.
 *
 * @param retry is called with the milliseconds that the server wants clients to wait before they ask again.
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
