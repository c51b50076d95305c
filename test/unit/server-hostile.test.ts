/** What is sent by those who mean no good, and by accident. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { createChannels } from "../../src/server/jobs/channels.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { pngOf } from "../support/png.ts";
import { SMALL, type TestServer, type TestServerOptions, testServer } from "../support/server.ts";

const closers: (() => Promise<void>)[] = [];
async function open(options?: TestServerOptions): Promise<TestServer> {
  const server = await testServer({ idle: true, ...options });
  closers.push(async () => {
    await server.stop().catch(() => {});
    server[Symbol.dispose]();
  });
  return server;
}
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const GENERATIONS = "/v1/images/generations";
const TXT2IMG = "/sdapi/v1/txt2img";
/** The three ways to ask for a picture of this prompt. */
const asked = (prompt: string): [path: string, body: object][] => [
  ["/api/jobs", { ...SMALL, prompt }],
  [GENERATIONS, { prompt, size: "16x24", steps: 2 }],
  [TXT2IMG, { prompt, width: 16, height: 24, steps: 2 }],
];
const raw = (server: TestServer, path: string, body: string | Buffer, headers: Record<string, string> = {}) =>
  server.app.request(path, {
    method: "POST",
    body: typeof body === "string" ? body : new Uint8Array(body),
    headers: { host: "localhost", "content-type": "application/json", ...headers },
  });

describe("prompts", () => {
  it("of a megabyte are refused", async () => {
    const { ask, services } = await open();
    for (const [path, body] of asked("x".repeat(2 ** 20))) {
      const answer = await ask("POST", path, body);
      expect([path, answer.status]).toEqual([path, path === TXT2IMG ? 422 : 400]);
      expect((await answer.text()).length).toBeLessThan(1000);
    }
    expect(services.jobs.waiting).toBe(0);
  });

  it.each([
    "(".repeat(10_000),
    "[".repeat(10_000),
    `${"(".repeat(4000)}cat${")".repeat(4000)}`,
    `${"[".repeat(3000)}cat${":1]".repeat(2000)}`,
    "[a|b]".repeat(2000),
    "\\".repeat(10_000),
    "<lora:".repeat(1600),
    "__all__".repeat(1400),
    "BREAK ".repeat(1600),
  ])("nested or repeated, bomb %#, cost little", async (prompt) => {
    const { ask } = await open();
    const start = performance.now();
    const answer = await ask("POST", "/api/jobs", { ...SMALL, prompt });
    const tokens = await ask("POST", "/api/tokens", { prompt });
    for (const { status } of [answer, tokens]) expect([200, 201, 400]).toContain(status);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it("have no wildcards: nothing here names a folder", async () => {
    const { post, until, drawing } = await open({ idle: false });
    await until((await post({ prompt: "__../../etc/passwd__ __animals__" })).id, "done");
    expect([drawing.asked[0]!.prompt, drawing.asked[0]!.wildcards]).toEqual([
      "__../../etc/passwd__ __animals__",
      undefined,
    ]);
  });

  it("by the thousand, as a sheet asks for them, end in 429 by whichever way they come", async () => {
    const { ask, services } = await open({ queue: { jobs: 8, perClient: 5 } });
    for (let i = 0; i < 5; i++) expect((await ask("POST", "/api/jobs", { ...SMALL, steps: 1 + i })).status).toBe(201);
    for (const [path, body] of asked("a cat")) {
      const answer = await ask("POST", path, body);
      expect([path, answer.status]).toEqual([path, 429]);
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    expect(services.jobs.waiting).toBe(5);
  });
});

describe("bodies", () => {
  it.each([
    ['{"prompt": NaN}', 400],
    [`{"prompt":"x","seed":1e999}`, 400],
    [`{"prompt":"x","seed":-1e300}`, 400],
    [`{"prompt":"x","width":-8}`, 400],
    [`{"prompt":"x","steps":1.5}`, 400],
    [`{"prompt":"x","count":99999999}`, 400],
    [`{"prompt":"x","guidance":"7"}`, 400],
    [`{"prompt":"x","image":${"[".repeat(500_000)}${"]".repeat(500_000)}}`, 400],
    [`{"prompt":"x","schedulerConfig":{"a":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}}`, 400],
    ["[".repeat(1_000_000), 400],
    ["", 400],
    ["\u0000", 400],
    ['"x"', 400],
  ])("of JSON that make no sense, %#, are refused", async (body, status) => {
    const server = await open();
    expect((await raw(server, "/api/jobs", body)).status).toBe(status);
    expect((await raw(server, GENERATIONS, body)).status).toBe(status);
  });

  it.each([
    `"seed":1e999`,
    `"seed":1.5`,
    `"steps":-1`,
    `"width":1e9`,
    `"cfg_scale":"7"`,
    `"batch_size":-3,"n_iter":-3`,
    `"n_iter":1e9`,
    `"styles":[[[]]]`,
    `"init_images":{"length":1}`,
    `"override_settings":{"CLIP_stop_at_last_layers":1e9}`,
    `"override_settings":{"token_merging_ratio":-1}`,
  ])("of A1111's that make no sense are refused: %s", async (fields) => {
    const server = await open();
    for (const path of [TXT2IMG, "/sdapi/v1/img2img"]) {
      if (fields.includes("init_images") && path === TXT2IMG) continue;
      expect((await raw(server, path, `{"prompt":"x",${fields}}`)).status).toBe(422);
    }
    expect(server.services.jobs.waiting).toBe(0);
  });

  it("of deep options are refused before they are drawn with", async () => {
    const server = await open();
    for (const name of ["override_settings", "alwayson_scripts"]) {
      const body = `{"prompt":"x","${name}":{"a":${"[".repeat(200_000)}${"]".repeat(200_000)}}}`;
      expect((await raw(server, TXT2IMG, body)).status).toBe(422);
    }
    expect(server.services.jobs.waiting).toBe(0);
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "",
  ])("of another kind are refused: %s", async (type) => {
    const server = await open();
    for (const [path, body] of asked("x")) {
      const answer = await raw(server, path, JSON.stringify(body), { "content-type": type });
      expect([path, answer.status]).toEqual([path, 415]);
    }
  });

  it("that are packed are not unpacked", async () => {
    const server = await open();
    const bomb = gzipSync(Buffer.alloc(2 ** 26, " "));
    for (const encoding of ["gzip", "deflate", "br", "gzip, identity"]) {
      const answer = await raw(server, "/api/jobs", bomb, { "content-encoding": encoding });
      expect([answer.status, await answer.text()]).toEqual([415, expect.stringContaining("Content-Encoding")]);
    }
  });

  it("of very many parts cost little", async () => {
    const server = await open();
    const part = '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n';
    const start = performance.now();
    const type = { "content-type": "multipart/form-data; boundary=b" };
    const answer = await raw(server, "/v1/images/edits", `${part.repeat(80_000)}--b--\r\n`, type);
    expect(answer.status).toBe(400);
    expect(performance.now() - start).toBeLessThan(10_000);
  }, 20_000);
});

describe("pictures", () => {
  it("of 900 million pixels in 110 kB are refused without being unpacked", async () => {
    const server = await open();
    const rows = deflateSync(Buffer.alloc(30_000 * (1 + 30_000 / 8)), { level: 9 });
    const bomb = pngOf(30_000, 30_000, rows, 1);
    expect(bomb.length).toBeLessThan(120_000);
    const base64 = bomb.toString("base64");
    const before = process.memoryUsage().rss;
    const form = new FormData();
    form.append("prompt", "x");
    form.append("image", new File([new Uint8Array(bomb)], "a.png"));
    const answers = [
      await server.ask("POST", "/api/jobs", { ...SMALL, image: { base64 } }),
      await server.ask("POST", "/sdapi/v1/img2img", { prompt: "x", init_images: [base64] }),
      await server.ask("POST", "/sdapi/v1/img2img", {
        prompt: "x",
        init_images: [base64],
        mask: base64,
        inpainting_mask_invert: 1,
      }),
      await server.app.request("/v1/images/edits", { method: "POST", body: form, headers: { host: "localhost" } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 422, 422, 400]);
    for (const answer of answers) expect(await answer.text()).toMatch(/pixels/);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
    expect(readdirSync(join(server.data, "uploads"))).toEqual([]);
  });

  it("are never fetched from an address", async () => {
    let hits = 0;
    const listener = createServer((_, answer) => {
      hits++;
      answer.end();
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(listener.address() as { port: number }).port}/a.png`;
    const server = await open();
    const { ask } = server;
    const form = new FormData();
    form.append("prompt", "x");
    form.append("image", url);
    const answers = [
      await ask("POST", "/api/jobs", { ...SMALL, image: { url } }),
      await ask("POST", "/api/jobs", { ...SMALL, image: { base64: url } }),
      await ask("POST", "/api/jobs", { ...SMALL, model: url }),
      await ask("POST", "/api/jobs", { ...SMALL, adapters: [{ name: url }] }),
      await ask("POST", "/sdapi/v1/img2img", { prompt: "x", init_images: [url] }),
      await ask("POST", "/sdapi/v1/txt2img", { prompt: "x", override_settings: { sd_model_checkpoint: url } }),
      await ask("POST", "/sdapi/v1/png-info", { image: url }),
      await ask("POST", GENERATIONS, { prompt: "x", model: url }),
      await server.app.request("/v1/images/edits", { method: "POST", body: form, headers: { host: "localhost" } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 422, 422, 422, 404, 400]);
    listener.close();
    expect(hits).toBe(0);
  });
});

describe("names", () => {
  const evil = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "a%0d%0aSet-Cookie:%20x=1", "%2e%2e%2f", "con"];
  it.each(evil)("lead nowhere: %s", async (name) => {
    const { ask } = await open();
    for (const path of ["/api/jobs/", "/api/pictures/", "/v1/models/", "/sdapi/v1/", "/assets/"]) {
      const answer = await ask("GET", path + name);
      expect([path, [400, 404].includes(answer.status)]).toEqual([path, true]);
      expect(answer.headers.get("set-cookie")).toBeNull();
      expect(await answer.text()).not.toContain("root:");
    }
    const plain = decodeURIComponent(name);
    for (const body of [{ model: plain }, { prompt: `<lora:${plain.replaceAll(":", "")}:1>` }, { sampler: plain }]) {
      expect((await ask("POST", "/api/jobs", { ...SMALL, ...body })).status).toBe(400);
    }
  });

  it("of files to keep hold nothing but letters and digits", async () => {
    const { post, until, ask } = await open({ idle: false });
    const prompt = '"; filename="evil.exe"\r\nSet-Cookie: x=1\r\n\r\n../../ ☃ \u202egnp';
    const { pictures } = await until((await post({ prompt })).id, "done");
    const answer = await ask("GET", `${pictures[0]!.url}?download`);
    expect(answer.headers.get("content-disposition")).toMatch(/^attachment; filename="[a-z0-9-]+\.png"$/);
    expect(answer.headers.get("set-cookie")).toBeNull();
    expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
  });
});

describe("pages of strangers", () => {
  it("reach none of the APIs, by form, by text or by a name of their own", async () => {
    const server = await open();
    const form = new FormData();
    form.append("prompt", "x");
    for (const origin of ["https://evil.example", "null", "http://localhost:1"]) {
      const headers = { host: "localhost:7860", origin };
      const sent = await server.app.request("/v1/images/edits", { method: "POST", body: form, headers });
      expect(sent.status).toBe(403);
      for (const [path, body] of asked("x")) expect((await server.ask("POST", path, body, headers)).status).toBe(403);
      const preflight = await server.ask("OPTIONS", GENERATIONS, undefined, {
        ...headers,
        "access-control-request-method": "POST",
      });
      expect(preflight.headers.get("access-control-allow-origin")).toBeNull();
    }
    for (const path of ["/v1/models", "/sdapi/v1/options", "/sdapi/v1/progress"]) {
      expect((await server.ask("GET", path, undefined, { host: "rebound.example:7860" })).status).toBe(403);
    }
    expect(server.services.jobs.waiting).toBe(0);
  });

  it("are asked for a key by all APIs, where there are keys", async () => {
    const server = await open({ keys: { size: 1, nameOf: (key) => (key === "right" ? "anna" : undefined) } });
    for (const path of ["/v1/models", "/sdapi/v1/sd-models", "/api/models"]) {
      expect((await server.ask("GET", path)).status).toBe(401);
      expect((await server.ask("GET", path, undefined, { authorization: "Bearer right" })).status).toBe(200);
    }
  });
});

describe("a watcher that does not read", () => {
  it("lets nothing pile up: no preview is made for it, and little waits", async () => {
    const channels = createChannels(() => []);
    const watchers = Array.from({ length: 100 }, () => channels.watch("a")!);
    let made = 0;
    const step = { type: "step", picture: 0, calls: 1000, timestep: 1, sigma: 1, secondsLeft: 1 } as const;
    const preview = () => `data:${++made}`;
    for (let call = 0; call < 1000; call++) channels.tell("a", { ...step, call }, preview);
    expect(made).toBe(0);
    expect((await watchers[1]!.next())!.full()).toMatchObject({ call: 999, preview: "data:1" });
    channels.tell("a", { type: "done", seconds: 1 });
    expect([(await watchers[0]!.next())?.event.type, await watchers[0]!.next()]).toEqual(["done", undefined]);
    for (const watcher of watchers) watcher.close();
    expect(channels.watchers).toBe(0);
  });
});

describe("connections", () => {
  const folder = mkdtempSync(join(tmpdir(), "inkling-hostile-"));
  async function listening(): Promise<RunningServer> {
    const log = pino({ level: "silent" });
    const models = [plainCheckpoint.folder];
    const server = await startServer({ data: folder, port: 0, models, log, grace: 0, requestSeconds: 1 });
    closers.push(async () => {
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    });
    return server;
  }

  /** What comes back for these pieces, a tenth of a second apart, until the server hangs up. */
  async function send(port: number, pieces: Iterable<string>): Promise<{ answer: string; seconds: number }> {
    const start = performance.now();
    const socket = connect(port, "127.0.0.1");
    let answer = "";
    let open = true;
    socket.on("data", (data) => {
      answer += data;
    });
    socket.on("error", () => {});
    const closed = new Promise<void>((resolve) => {
      socket.on("close", () => {
        open = false;
        resolve();
      });
    });
    for (const piece of pieces) {
      if (!open || performance.now() - start > 10_000) break;
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 10_000))]);
    socket.destroy();
    return { answer, seconds: (performance.now() - start) / 1000 };
  }

  it("that bring headers or a body drop by drop are cut off; meanwhile others are answered", async () => {
    const { port, url } = await listening();
    const head = "POST /api/jobs HTTP/1.1\r\nHost: localhost\r\n";
    const drops = function* (start: string): Generator<string> {
      yield start;
      for (let i = 0; ; i++) yield `X-${i}: 1\r\n`;
    };
    const bodyHead = `${head}Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n`;
    const slow = [send(port, drops(head)), send(port, drops(bodyHead)), send(port, ["GET /healthz HTTP/1.1\r\n"])];
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    for (const { answer, seconds } of await Promise.all(slow)) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(seconds).toBeLessThan(5);
    }
  }, 30_000);

  it("that flood with headers are cut off", async () => {
    const { port, url } = await listening();
    const flood = `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${"X-Flood: yes\r\n".repeat(20_000)}\r\n`;
    expect((await send(port, [flood])).answer).toMatch(/^HTTP\/1\.1 431 /);
    const smuggled =
      "POST /api/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    expect((await send(port, [smuggled])).answer).toMatch(/^HTTP\/1\.1 400 /);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  }, 30_000);
});
