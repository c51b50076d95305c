/** Clients that take nothing of what they asked for, or take it slowly. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, describe, expect, it } from "vitest";
import { createHttpServer } from "../../src/server/http-server.ts";
import { type TestServer, type TestServerOptions, testServer } from "../support/server.ts";

const MIB = 2 ** 20;
const STALL = 0.5;

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function listening(
  options?: TestServerOptions,
): Promise<TestServer & { readonly port: number; readonly url: string }> {
  const server = await testServer(options);
  const http = createHttpServer(server.services, { stallSeconds: STALL });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  closers.push(async () => {
    http.closeAllConnections();
    http.close();
    await server.stop();
    server[Symbol.dispose]();
  });
  const { port } = http.address() as AddressInfo;
  return { ...server, port, url: `http://127.0.0.1:${port}` };
}

/** A connection that sends this, then a byte now and then, and does not read. Resolves with the seconds until the server has hung up. */
async function deaf(port: number, request: string): Promise<number> {
  const start = performance.now();
  const socket = connect(port, "127.0.0.1").pause();
  socket.write(request);
  const drops = setInterval(() => socket.write("\r\n"), 50);
  // A reset is told to who does not read, too.
  await new Promise((resolve) => socket.on("error", () => {}).once("close", resolve));
  clearInterval(drops);
  return (performance.now() - start) / 1000;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
/** MiB in use by this process: the server and its clients. */
function memory(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

/** A picture of the gallery with a file of so many bytes. */
async function largePicture({ post, until, services }: TestServer, bytes: number): Promise<string> {
  const { pictures } = await until((await post({})).id, "done");
  await services.files.pictures.write(`${pictures[0]!.id}.png`, randomBytes(bytes));
  return pictures[0]!.url;
}

describe("clients that do not read", () => {
  it("what becomes of a job take little memory, and are cut off; the job goes on, and others are answered", async () => {
    const preview = { width: 512, height: 512, data: new Uint8Array(randomBytes(3 * 512 * 512)) };
    const server = await listening({ preview, heartbeat: 0.1 });
    server.drawing.hold();
    const { id } = await server.post({ steps: 150 });
    await server.until(id, "running");
    const before = memory();
    const clients = Array.from({ length: 20 }, () => deaf(server.port, get(`/api/jobs/${id}/events`)));
    while (server.services.jobs.watchers < clients.length) await sleep(5);
    // A step at a time: each client could take 150 previews of a MiB.
    for (let step = 0; step < 150; step++) {
      server.drawing.release();
      server.drawing.hold();
      await sleep(30);
    }
    expect(memory() - before).toBeLessThan(100);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    server.drawing.release();
    await server.until(id, "done");
    for (const seconds of await Promise.all(clients)) expect(seconds).toBeLessThan(10);
    expect(server.services.jobs.watchers).toBe(0);
  }, 30_000);

  it("pictures that they ask for, once or many times, take little memory and are cut off", async () => {
    const server = await listening();
    const path = await largePicture(server, 64 * MIB);
    const before = memory();
    const once = Array.from({ length: 10 }, () => deaf(server.port, get(path)));
    const many = deaf(server.port, get(path).replace("close", "keep-alive").repeat(300));
    await sleep(300);
    expect(memory() - before).toBeLessThan(100);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    for (const seconds of await Promise.all([...once, many])) {
      expect(seconds).toBeGreaterThan(STALL);
      expect(seconds).toBeLessThan(10);
    }
  }, 30_000);
});

describe("clients that take their time", () => {
  it("get a picture whole, as long as they read at all", async () => {
    const server = await listening();
    const answer = await fetch(server.url + (await largePicture(server, 24 * MIB)));
    let bytes = 0;
    const start = performance.now();
    for await (const piece of answer.body!) {
      if (Math.floor(bytes / MIB) !== Math.floor((bytes + piece.length) / MIB)) await sleep(100);
      bytes += piece.length;
    }
    expect(bytes).toBe(24 * MIB);
    expect((performance.now() - start) / 1000).toBeGreaterThan(3 * STALL);
  }, 30_000);

  it("get an answer that is made for longer than they may leave it lying", async () => {
    const server = await listening();
    server.drawing.hold();
    const asked = fetch(`${server.url}/v1/images/generations`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ prompt: "a cat", size: "16x24", steps: 2 }),
    });
    await sleep(3000 * STALL);
    server.drawing.release();
    expect((await asked).status).toBe(200);
  }, 30_000);
});
