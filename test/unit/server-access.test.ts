import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { pino } from "pino";
import { afterEach, describe, expect, it } from "vitest";
import { isLoopback, isOwnHost, isOwnOrigin } from "../../src/server/access/host.ts";
import { checkJson } from "../../src/server/access/json.ts";
import { addKey, readKeys } from "../../src/server/access/keys.ts";
import { createRate } from "../../src/server/access/rate.ts";
import type { Problem } from "../../src/server/index.ts";
import { pngOf } from "../support/png.ts";
import { SMALL, type TestServer, type TestServerOptions, testServer } from "../support/server.ts";

const servers: TestServer[] = [];
async function open(options?: TestServerOptions): Promise<TestServer> {
  const server = await testServer({ idle: true, ...options });
  servers.push(server);
  return server;
}
const folder = mkdtempSync(join(tmpdir(), "inkling-access-"));
afterEach(async () => {
  for (const server of servers.splice(0)) {
    await server.stop();
    server[Symbol.dispose]();
  }
});

const codeOf = async (answer: Response) => [answer.status, ((await answer.json()) as Problem).error.code];

describe("the Host header", () => {
  it.each([
    "localhost",
    "localhost:7860",
    "127.0.0.1:7860",
    "[::1]:7860",
    "192.168.1.5",
    "studio.localhost:1",
    "HOME:80",
  ])("%s means this server", (host) => expect(isOwnHost(host, ["home"])).toBe(true));

  it.each([
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "localhost@evil",
    "a b",
    "::1",
  ])("%s does not", (host) => expect(isOwnHost(host, ["home"])).toBe(false));

  it("of a stranger's name is refused on every path: DNS rebinding", async () => {
    const { ask } = await open({ allowHosts: ["Studio.example"] });
    for (const path of ["/api/jobs", "/healthz", "/", "/openapi.json"]) {
      expect(await codeOf(await ask("GET", path, undefined, { host: "evil.example" }))).toEqual([403, "forbidden"]);
    }
    expect((await ask("GET", "/api/jobs", undefined, { host: "studio.example:443" })).status).toBe(200);
  });
});

describe("pages of other origins", () => {
  it("cannot ask for anything that changes something, whatever they send", async () => {
    const { ask, services } = await open();
    for (const origin of ["https://evil.example", "http://localhost:3000", "null"]) {
      expect(await codeOf(await ask("POST", "/api/jobs", SMALL, { origin }))).toEqual([403, "forbidden"]);
      const plain = await ask("POST", "/api/jobs", SMALL, { "content-type": "text/plain" });
      expect(await codeOf(plain)).toEqual([415, "unsupported"]);
    }
    const read = await ask("GET", "/api/jobs", undefined, { origin: "https://evil.example" });
    expect(read.headers.get("access-control-allow-origin")).toBeNull();
    expect(read.headers.get("cross-origin-resource-policy")).toBe("same-origin");
    expect(services.jobs.waiting).toBe(0);
  });

  it("can where they were let, and the server's own can", async () => {
    const { ask } = await open({ allowOrigins: ["https://page.example"] });
    const own = await ask("POST", "/api/jobs", SMALL, { origin: "http://localhost:7860" });
    expect(own.status).toBe(201);
    const origin = "https://page.example";
    const preflight = await ask("OPTIONS", "/api/jobs", undefined, {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    });
    expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, origin]);
    const asked = await ask("POST", "/api/jobs", SMALL, { origin });
    expect([asked.status, asked.headers.get("access-control-allow-origin")]).toEqual([201, origin]);
  });

  it("are told by their host and port", () => {
    expect(isOwnOrigin("http://localhost:7860", "localhost:7860")).toBe(true);
    expect(isOwnOrigin("https://studio.example", "studio.example")).toBe(true);
    for (const other of ["http://localhost:7861", "http://localhost", "null", "", "file://"]) {
      expect(isOwnOrigin(other, "localhost:7860")).toBe(false);
    }
    for (const address of ["127.0.0.1", "127.8.0.1", "::1", "localhost"]) expect(isLoopback(address)).toBe(true);
    for (const address of ["0.0.0.0", "::", "192.168.0.1", "127.evil"]) expect(isLoopback(address)).toBe(false);
  });
});

describe("keys", () => {
  it("are kept as hashes alone, in a file that others cannot read", async () => {
    const file = join(folder, "keys.txt");
    const [anna, ben] = [await addKey(file, "anna"), await addKey(file, "ben")];
    const text = readFileSync(file, "utf8");
    expect(text).toMatch(/^anna sha256:[0-9a-f]{64}\nben sha256:[0-9a-f]{64}\n$/);
    for (const key of [anna, ben]) expect(text).not.toContain(key.slice(4));
    if (process.platform !== "win32") expect(statSync(file).mode & 0o077).toBe(0);
    const keys = await readKeys(file);
    expect([keys.size, keys.nameOf(anna), keys.nameOf(ben), keys.nameOf(`${ben}x`), keys.nameOf("")]).toEqual([
      2,
      "anna",
      "ben",
      undefined,
      undefined,
    ]);
    await expect(addKey(file, "anna")).rejects.toThrow(/has a key of the name "anna" already/);
    await expect(addKey(file, "a b")).rejects.toThrow(/no name for a key/);
    writeFileSync(file, "# a remark\n\nanna secret\n");
    await expect(readKeys(file)).rejects.toThrow(/line 3/);
    await expect(readKeys(join(folder, "none"))).rejects.toThrow(/no such file/);
  });

  it("are asked for: as a bearer's, A1111's password, a header, or a page's cookie", async () => {
    const file = join(folder, "more.txt");
    const key = await addKey(file, "anna");
    const { ask } = await open({ keys: await readKeys(file) });
    for (const path of ["/api/jobs", "/api/gallery", "/metrics", "/openapi.json", "/api/pictures/x"]) {
      const answer = await ask("GET", path);
      expect([path, answer.headers.get("www-authenticate")]).toEqual([path, 'Bearer realm="inkling"']);
      expect(await codeOf(answer)).toEqual([401, "unauthorized"]);
    }
    const basic = Buffer.from(`user:${key}`).toString("base64");
    for (const [name, value] of [
      ["authorization", `Bearer ${key}`],
      ["authorization", `Basic ${basic}`],
      ["x-api-key", key],
    ] as const) {
      expect((await ask("GET", "/api/jobs", undefined, { [name]: value })).status).toBe(200);
    }
    for (const path of ["/healthz", "/readyz"]) expect((await ask("GET", path)).status).toBe(200);
    expect(await (await ask("GET", "/api/session")).json()).toEqual({ keyNeeded: true, allowed: false });
    expect(await codeOf(await ask("POST", "/api/session", { key: "wrong" }))).toEqual([401, "unauthorized"]);
    const session = await ask("POST", "/api/session", { key });
    const cookie = session.headers.get("set-cookie")!;
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    const own = { cookie: cookie.split(";")[0]! };
    expect(await (await ask("GET", "/api/session", undefined, own)).json()).toEqual({ keyNeeded: true, allowed: true });
    expect((await ask("GET", "/api/jobs", undefined, own)).status).toBe(200);
    const job = (await (await ask("POST", "/api/jobs", SMALL, own)).json()) as { client?: string };
    expect(job.client).toBeUndefined();
  });
});

describe("the rate", () => {
  it("is a bucket of tokens for each client", () => {
    let time = 0;
    const rate = createRate(2, 10, () => time);
    expect([rate.take("a", 5), rate.take("a", 5), rate.take("a", 1), rate.take("b", 1)]).toEqual([0, 0, 0.5, 0]);
    time = 3;
    expect([rate.take("a", 6), rate.take("a", 1)]).toEqual([0, 0.5]);
    expect(createRate(0, 0).take("a", 1e9)).toBe(0);
  });

  it("ends in 429 with the time to wait", async () => {
    const { ask } = await open({ requestsPerSecond: 1 });
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask("GET", "/api/jobs")));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused).toHaveLength(2);
    expect(refused[0]!.headers.get("retry-after")).toBe("1");
    expect((await ask("GET", "/healthz")).status).toBe(200);
  });
});

describe("what comes in", () => {
  it("may bring a picture where one is asked for, and words alone elsewhere", async () => {
    const { ask } = await open();
    const base64 = Buffer.alloc(2 ** 21, 7).toString("base64");
    const encode = await ask("POST", "/api/explain/encode", { picture: { base64 } });
    expect(await codeOf(encode)).toEqual([400, "invalid"]);
    expect(await codeOf(await ask("POST", "/api/write", { beginning: base64 }))).toEqual([413, "too_large"]);
  });

  it("has a size, whether it says so or not", async () => {
    const { app, ask } = await open({ bodyLimit: 1000 });
    expect(await codeOf(await ask("POST", "/api/jobs", { prompt: "x".repeat(2000) }))).toEqual([413, "too_large"]);
    const body = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(700)),
    });
    const headers = { host: "localhost", "content-type": "image/png" };
    const endless = { method: "POST", headers, body, duplex: "half" } as RequestInit;
    expect(await codeOf(await app.request("/api/settings/from-picture", endless))).toEqual([413, "too_large"]);
  });

  it("may nest as deep as it likes, and is refused", async () => {
    const { app, ask } = await open();
    const deep = `${"[".repeat(10_000_000)}${"]".repeat(10_000_000)}`;
    const wide = `{"prompt":"\\"{","image":[${"{},".repeat(10_000_000)}{}]}`;
    const headers = { host: "localhost", "content-type": "application/json" };
    const start = performance.now();
    for (const body of [deep, wide]) {
      expect(await codeOf(await app.request("/api/jobs", { method: "POST", headers, body }))).toEqual([400, "invalid"]);
    }
    const body = deep;
    expect(await codeOf(await app.request("/api/tokens", { method: "POST", headers, body }))).toEqual([
      413,
      "too_large",
    ]);
    expect(performance.now() - start).toBeLessThan(3000);
    // What stands in a string is none of its brackets.
    checkJson(JSON.stringify({ prompt: '"[\\"'.repeat(20_000) }));
    expect(() => checkJson(`{"a":"\\\\",${'"b":{},'.repeat(10_000)}"c":1}`)).toThrow(/more than 10000/);
    expect((await ask("GET", "/healthz")).status).toBe(200);
  });

  it("is no bomb: a prompt of ten thousand brackets is read in no time", async () => {
    const { ask } = await open();
    const bombs = [
      "(".repeat(10_000),
      "[".repeat(5000) + "]".repeat(5000),
      "[a|b]".repeat(2000),
      "[[a:b:0.5]:c:0.3]".repeat(580),
    ];
    const longest = `${"[".repeat(2000)}a${"|b]".repeat(2000)}`;
    for (const prompt of [...bombs, longest, `cat${" AND cat".repeat(1200)}`]) {
      const start = performance.now();
      const answer = await ask("POST", "/api/jobs", { ...SMALL, prompt, steps: 1000 });
      expect([201, 400]).toContain(answer.status);
      // Some are refused by the prompt's own rules: editing goes 100 deep.
      expect([200, 400]).toContain((await ask("POST", "/api/tokens", { prompt })).status);
      expect(performance.now() - start).toBeLessThan(5000);
    }
  });

  it("is no bomb: a picture of a few bytes that claims to be huge is not unpacked", async () => {
    const { ask } = await open();
    const zeros = deflateSync(Buffer.alloc(2 ** 24));
    const png = pngOf(10_000, 30_000, zeros);
    const before = process.memoryUsage().rss;
    const job = await ask("POST", "/api/jobs", { ...SMALL, image: { base64: png.toString("base64") } });
    expect(await codeOf(job)).toEqual([400, "invalid"]);
    const score = await ask("POST", "/api/score", {
      pictures: [{ base64: pngOf(8_000, 8_000, zeros).toString("base64") }],
      texts: ["x"],
    });
    expect(await codeOf(score)).toEqual([400, "invalid"]);
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 2 ** 20);
  });

  it.each(["../inkling.db", "..%2finkling.db", "%2e%2e/inkling.db", "..%5cinkling.db", "%00", ".inkling-0.tmp"])(
    "no path leads out of the gallery: %s",
    async (path) => {
      const { ask } = await open();
      for (const end of ["", "/thumbnail", "/info"]) {
        const answer = await ask("GET", `/api/pictures/${path}${end}`);
        expect([404, 400]).toContain(answer.status);
        expect(answer.headers.get("content-type")).toContain("application/json");
      }
    },
  );
});

describe("the log", () => {
  it("holds no prompt unless it was asked to", async () => {
    for (const logPrompts of [false, true]) {
      const lines: string[] = [];
      const log = pino({ level: "debug" }, { write: (line: string) => void lines.push(line) });
      const { ask } = await open({ log, logPrompts });
      await ask("POST", "/api/jobs", { ...SMALL, prompt: "a secret garden" });
      await ask("GET", "/api/gallery?search=secret");
      expect(lines.join("").includes("accepted")).toBe(true);
      expect(lines.join("").includes("secret")).toBe(logPrompts);
    }
  });
});

describe("the page", () => {
  it("comes with a strict policy, at every path of its own, and nothing beside it", async () => {
    const studio = mkdtempSync(join(tmpdir(), "inkling-page-"));
    writeFileSync(join(studio, "index.html"), "<!doctype html><title>inkling</title>");
    writeFileSync(join(studio, "app.js"), "export {};");
    const { ask } = await open({ studio });
    for (const path of ["/", "/explain/ink-drop", "/gallery"]) {
      const answer = await ask("GET", path);
      expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
      expect(answer.headers.get("content-security-policy")).toContain("default-src 'none'");
      expect(answer.headers.get("x-frame-options")).toBe("DENY");
    }
    expect((await ask("GET", "/app.js")).headers.get("content-type")).toContain("text/javascript");
    for (const path of ["/missing.js", "/api/nothing", "/..%2f..%2fetc%2fpasswd.txt", "/v1/nothing"]) {
      expect((await ask("GET", path)).status).toBe(404);
    }
    rmSync(studio, { recursive: true });
  });
});
