// The client against a real server, which whoever runs this names; tests/server/test_client.py does.
import assert from "node:assert/strict";
import { openAsBlob, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { before, describe, test } from "node:test";
import { Client, ClosedError, ConnectionError, pack, ProblemError } from "fitsense-client";

/** The server's `url`, its `token`; a `video`, which is also one of its sources; `pictures` of it, and `packed` ones. */
const given = JSON.parse(readFileSync(process.env.FITSENSE_TEST, "utf8"));
const quick = { firstMs: 5, maxMs: 20 };
const client = new Client(given.url, { token: given.token });

async function all(events) {
  const told = [];
  for await (const event of events) told.push(event);
  return told;
}

/** Events of a whole session, none of which is missing. */
function assertWhole(events, reason = "finished") {
  assert.deepEqual(
    events.map((event) => Number(event.id)),
    events.map((_, number) => number),
  );
  assert.equal(events[0].type, "fitsense.session.started");
  assert.equal(events.at(-1).type, "fitsense.session.ended");
  assert.equal(events.at(-1).data.reason, reason);
}

const problem = (kind) => (error) => {
  assert(error instanceof ProblemError, error);
  assert.equal(error.problem.type, `urn:fitsense:problem:${kind}`);
  assert(error.message.includes(error.problem.detail));
  return true;
};

async function listening(server) {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * The address of something between client and server, which lets as many bytes of answers pass as it is told for each
 * connection, and then cuts it, or says nothing any more.
 */
async function between(context, bytes, { silent = false } = {}) {
  const asked = [];
  const sockets = new Set();
  const { hostname, port } = new URL(given.url);
  const server = net.createServer((near) => {
    let left = bytes[asked.length] ?? Infinity;
    asked.push("");
    const number = asked.length - 1;
    const far = net.connect(Number(port), hostname);
    const end = () => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    near.on("data", (data) => {
      asked[number] += data.toString("latin1");
      far.write(data);
    });
    far.on("data", (data) => {
      near.write(data.subarray(0, left));
      left -= data.length;
      if (left <= 0 && !silent) near.destroySoon();
      left = Math.max(left, 0);
    });
  });
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: await listening(server), asked };
}

/** A server that answers as it is told, one answer after the other, the last one again and again. */
async function answering(context, ...answers) {
  let number = 0;
  const server = http.createServer((request, response) => {
    const { status = 200, headers = {}, chunks = [] } = answers[Math.min(number++, answers.length - 1)];
    response.writeHead(status, headers);
    (async () => {
      for (const chunk of chunks) {
        response.write(chunk);
        await new Promise(setImmediate);
      }
      response.end();
    })();
  });
  context.after(() => server.close());
  return listening(server);
}

describe("HTTP", () => {
  let id;
  let told;

  before(async () => {
    const session = await client.createSession({ source: given.source, hop_s: 0.5, policy: "all" });
    assert.equal(session.mode, "source");
    id = session.id;
    told = await all(client.events(id));
  });

  test("a session tells all of its events, and the same ones to those who come later", async () => {
    assertWhole(told);
    const types = new Set(told.map((event) => event.type));
    for (const type of ["exercise.started", "muscles.activated", "exercise.ended"]) assert(types.has(`fitsense.${type}`));
    assert.deepEqual(await all(client.events(id)), told);
    assert.deepEqual(await all(client.eventsSoFar(id)), told);
    const { after } = { after: told[2].id };
    assert.deepEqual(await all(client.events(id, { after })), told.slice(3));
    assert.deepEqual(await all(client.eventsSoFar(id, { after })), told.slice(3));
    assert.deepEqual(await all(client.events(id, { after: told.at(-1).id })), []);
    assert.equal((await client.session(id)).events, told.length);
  });

  test("a connection that is cut is opened again, where the last one ended", async (context) => {
    const { url, asked } = await between(context, [0, 20, 1500, 4000, 900, 2500]);
    const cut = new Client(url, { token: given.token, retries: quick });
    assert.deepEqual(await all(cut.events(id)), told);
    assert(asked.length > 4, `${asked.length} connections`);
    assert(!/last-event-id/i.test(asked[0]));
    const resumed = asked.map((request) => /last-event-id: (\d+)/i.exec(request)?.[1]).filter(Boolean);
    assert(resumed.length > 0);
    assert.deepEqual(resumed, resumed.toSorted());
  });

  test("a connection on which nothing comes is one that is lost", async (context) => {
    const { url, asked } = await between(context, [1500], { silent: true });
    const cut = new Client(url, { token: given.token, retries: { ...quick, silenceMs: 1000 } });
    assert.deepEqual(await all(cut.events(id)), told);
    assert(asked.length > 1);
  });

  test("who stops reading can go on elsewhere", async () => {
    const some = [];
    for await (const event of client.events(id)) {
      some.push(event);
      if (some.length === 3) break;
    }
    assert.deepEqual([...some, ...(await all(client.events(id, { after: some.at(-1).id })))], told);
  });

  test("a signal stops those who wait", async () => {
    const { id: quiet } = await client.createSession();
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 200);
    await assert.rejects(all(client.events(quiet, { signal: controller.signal })), reason);
    await assert.rejects(client.sessions(controller.signal), reason);
    await assert.rejects(all(client.events(quiet, { signal: controller.signal })), reason);
    const over = await client.endSession(quiet);
    assert.equal(over.state, "ended");
    assert((await client.sessions()).some((session) => session.id === quiet));
    assert.equal(await client.endSession(quiet), undefined);
    await assert.rejects(client.session(quiet), problem("unknown-session"));
  });

  test("a video is analysed as it is uploaded", async () => {
    const request = { hop_s: 2, region: { left: 0, top: 0, right: 1, bottom: 1 }, started_at: "2030-01-01T00:00:00Z" };
    const video = await openAsBlob(given.video);
    const events = await all(client.analyze(video, request));
    assertWhole(events);
    assert(events[0].time.startsWith("2030-01-01T00:00:0"));
    assert(events.every((event) => event.type !== "fitsense.session.started" || event.data.hop_s === 2));
    writeFileSync(given.out, events.map((event) => `${JSON.stringify(event)}\n`).join(""));
  });

  test("what the server refuses is an error that says why", async () => {
    const nothing = /got nothing/;
    for (const video of [new Uint8Array(99), new Blob(["no video"]).stream()]) {
      const refused = (error) => problem("source-refused")(error) && !nothing.test(error.message);
      await assert.rejects(all(client.analyze(video)), refused);
    }
    await assert.rejects(all(client.analyze(new Uint8Array())), nothing);
    await assert.rejects(client.createSession({ hop: 1 }), problem("invalid-request"));
    await assert.rejects(all(client.events("none")), problem("unknown-session"));
    await assert.rejects(all(client.events(id, { after: "9999999999" })), problem("invalid-request"));
    await assert.rejects(new Client(given.url).sessions(), problem("unauthorized"));
    await assert.rejects(new Client(given.url, { token: "another-token-than-theirs" }).sessions(), problem("unauthorized"));
  });

  test("a server that is not there is asked some times, and no more", async () => {
    const server = net.createServer();
    const url = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    let asked = 0;
    const counted = (...request) => {
      asked += 1;
      return fetch(...request);
    };
    const nobody = new Client(url, { retries: { ...quick, attempts: 3 }, fetch: counted });
    await assert.rejects(all(nobody.events("any")), ConnectionError);
    assert.equal(asked, 4);
    await assert.rejects(nobody.sessions(), ConnectionError);
  });
});

describe("event streams", () => {
  const stream = { "content-type": "text/event-stream" };
  const event = (number, more) => ({ id: String(number), type: "jumps.counted", data: { name: "Kniebeuge ü 🏋", ...more } });
  const over = { status: 204 };

  test("are read whatever their lines end with, and wherever they are torn", async (context) => {
    const expected = [event(0, { later: [1] }), event(1), event(2)];
    for (const end of ["\n", "\r", "\r\n"]) {
      const lines = [
        ": welcome",
        "retry: 1",
        "",
        "id: 0",
        `data: ${JSON.stringify(expected[0])}`,
        "",
        "data",
        "data:",
        ...JSON.stringify(expected[1], null, 1).split("\n").map((line) => `data:${line}`),
        "unknown: field",
        "id:1",
        "event",
        "",
        "event: ignored, since it holds no data",
        "",
        `data:${JSON.stringify(expected[2])}`,
        "id: 2",
        "",
        "data: cut off",
      ];
      const bytes = Buffer.from(`\ufeff${lines.join(end)}`);
      for (const size of [1, 2, 3, 7, bytes.length]) {
        const chunks = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
        const url = await answering(context, { headers: stream, chunks }, over);
        assert.deepEqual(await all(new Client(url).events("any")), expected);
      }
    }
  });

  test("are asked for again when the server has too much to do", async (context) => {
    const url = await answering(
      context,
      { status: 503, headers: { "retry-after": "0" } },
      { status: 502, chunks: ["<html>the proxy is sorry</html>"] },
      { headers: stream, chunks: [`data: ${JSON.stringify(event(7))}\n\n`] },
      { status: 429 },
      over,
    );
    assert.deepEqual(await all(new Client(url, { retries: quick }).events("any")), [event(7)]);
  });

  test("end with the server's reason when events are gone", async (context) => {
    const gone = { type: "urn:fitsense:problem:events-gone", title: "Gone", status: 410, detail: "too slow", first: 23 };
    const url = await answering(context, {
      headers: stream,
      chunks: [`data: ${JSON.stringify(event(1))}\n\nevent: problem\ndata: ${JSON.stringify(gone)}\n\n`],
    });
    const seen = [];
    const reading = async () => {
      for await (const each of new Client(url).events("any")) seen.push(each);
    };
    await assert.rejects(reading(), (error) => problem("events-gone")(error) && error.problem.first === 23);
    assert.deepEqual(seen, [event(1)]);
  });

  test("that hold no events are an error, and not asked for again", async (context) => {
    for (const data of ["{}", "[1]", "{", '{"type": 1, "data": {}}']) {
      const url = await answering(context, { headers: stream, chunks: [`data: ${data}\n\n`] });
      await assert.rejects(all(new Client(url, { retries: quick }).events("any")), TypeError);
    }
  });

  test("in lines of JSON need no last line's end", async (context) => {
    const text = `${JSON.stringify(event(1))}\n${JSON.stringify(event(2))}`;
    const url = await answering(context, { chunks: [text.slice(0, 9), text.slice(9)] });
    assert.deepEqual(await all(new Client(`${url}/behind/a/proxy`).analyze(new Blob(["video"]))), [event(1), event(2)]);
  });
});

describe("WebSocket", () => {
  const opened = async (options) => {
    const { id } = await client.createSession({ hop_s: 2, policy: "all" });
    return { id, frames: await client.frames(id, options) };
  };
  const pictures = given.pictures.map(([timeS, file]) => [timeS, readFileSync(file)]);

  test("messages are as the server reads them", () => {
    for (const [format, timeS, content, expected] of given.packed) {
      assert.equal(Buffer.from(pack(Buffer.from(content, "hex"), timeS, format)).toString("hex"), expected);
    }
  });

  test("pictures go in, and events come out of the same socket", async () => {
    const { id, frames } = await opened();
    const events = all(frames.events());
    for (const [timeS, picture] of pictures) await frames.push(picture, timeS);
    await frames.finish();
    const told = await events;
    assertWhole(told);
    assert.equal(told.at(-1).data.frames, pictures.length);
    assert.deepEqual(await all(client.eventsSoFar(id)), told);
    assert.equal(frames.after, told.at(-1).id);
    await assert.rejects(frames.push(pictures[0][1], 99), ClosedError);
  });

  test("those who do not wait push in order all the same", async () => {
    const impatient = new Client(given.url, { token: given.token, maxBufferedBytes: 0 });
    const { id } = await client.createSession({ policy: "all" });
    const frames = await impatient.frames(id);
    pictures.slice(0, 20).forEach(([timeS, picture], number) => {
      frames.push(number % 2 ? new Blob([picture]) : picture, timeS);
    });
    frames.finish();
    const { data } = (await all(frames.events())).at(-1);
    assert.deepEqual([data.frames, data.late_frames], [20, 0]);
  });

  test("a picture that is refused costs nothing but itself", async () => {
    const problems = [];
    const { frames } = await opened({ onProblem: (each) => problems.push(each) });
    const events = all(frames.events());
    await frames.push(pictures[0][1], 0);
    await frames.push(Buffer.from("no picture"), 0.1);
    await frames.push(pictures[1][1], 0.2);
    await frames.finish();
    assert.equal((await events).at(-1).data.frames, 2);
    assert.deepEqual(
      problems.map((each) => [each.type, each.status]),
      [["urn:fitsense:problem:picture-refused", 422]],
    );
  });

  test("a refusal that nobody is told of ends the events", async () => {
    const { frames } = await opened();
    await frames.push(Buffer.from("no picture"), 0);
    await assert.rejects(all(frames.events()), problem("picture-refused"));
    await assert.rejects(frames.push(pictures[0][1], 0.1), problem("picture-refused"));
  });

  test("a connection that another replaces says so, and events go on after those that are known", async () => {
    const { id, frames } = await opened();
    await frames.push(pictures[0][1], 0);
    const first = frames.events();
    assert.equal((await first.next()).value.type, "fitsense.session.started");
    const next = await client.frames(id, { after: frames.after });
    await next.push(pictures[1][1], 0.1);
    await assert.rejects(first.next(), (error) => error instanceof ClosedError && error.code === 4409);
    await next.finish();
    const rest = await all(next.events());
    assert.equal(rest[0].id, "0000000001");
    assert.equal(rest.at(-1).data.frames, 2);
  });

  test("who wants no events is told none", async () => {
    const { frames } = await opened({ events: false });
    await frames.push(pictures[0][1], 0);
    await frames.finish();
    assert.deepEqual(await all(frames.events()), []);
  });

  test("a signal, or leaving, closes it, and the session goes on", async () => {
    const controller = new AbortController();
    const { id, frames } = await opened({ signal: controller.signal });
    const reason = new Error("enough");
    const events = all(frames.events());
    controller.abort(reason);
    await assert.rejects(events, reason);
    await assert.rejects(client.frames(id, { signal: controller.signal }), reason);
    const other = await client.frames(id);
    other.close();
    assert.deepEqual(await all(other.events()), []);
    assert.equal((await client.session(id)).state, "open");
    await client.endSession(id);
  });

  test("what cannot be opened is an error", async () => {
    await assert.rejects(client.frames("none"), ConnectionError);
    const { id } = await client.createSession();
    await assert.rejects(new Client(given.url).frames(id), ConnectionError);
    await client.endSession(id);
  });
});
