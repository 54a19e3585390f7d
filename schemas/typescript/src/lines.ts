import { ConnectionError } from "./errors.js";

/**
 * Yield the lines of a body without line ends as they come.
 *
 * @param heard called whenever bytes arrive.
 */
export async function* lines(body: ReadableStream<Uint8Array>, heard?: () => void): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  let halfEnd = false;
  for await (const chunk of chunks(body)) {
    heard?.();
    let text = decoder.decode(chunk, { stream: true });
    if (text === "") continue;
    // The \r of \r\n has already ended the line.
    if (halfEnd && text.startsWith("\n")) text = text.slice(1);
    halfEnd = text === "" ? false : text.endsWith("\r");
    const ended = (rest + text).split(/\r\n|\r|\n/);
    rest = ended.pop() ?? "";
    yield* ended;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}

async function* chunks(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        throw new ConnectionError("the connection broke", { cause });
      });
      if (done) return;
      yield value;
    }
  } finally {
    // Close the connection if the reader stops.
    void reader.cancel().catch(() => undefined);
  }
}
