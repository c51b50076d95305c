/** What the server tells of models and of a run, on a tiny checkpoint. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Encoded, ExplainedModel, ExplainedWords, NextWords, Numbers, RunLine } from "../../src/server/index.ts";
import { type TestServer, testServer } from "../support/server.ts";

let server: TestServer;
beforeAll(async () => {
  server = await testServer({ idle: true });
});
afterAll(async () => {
  await server.stop();
  server[Symbol.dispose]();
});

async function asked<T>(method: string, path: string, body?: unknown): Promise<T> {
  const answer = await server.ask(method, path, body);
  expect(answer.status, path).toBe(200);
  return (await answer.json()) as T;
}

async function refused(path: string, body: unknown, ...words: string[]): Promise<void> {
  const answer = await server.ask("POST", path, body);
  const { error } = (await answer.json()) as { error: { message: string } };
  expect(answer.status, path).toBe(400);
  for (const word of words) expect(error.message).toContain(word);
}

const floats = ({ data }: Numbers): Float32Array =>
  new Float32Array(new Uint8Array(Buffer.from(data, "base64")).buffer);

const linesOf = (request: object) => linesFrom("/api/explain/run", { prompt: "blue eyes", seed: 1, ...request });

async function linesFrom(path: string, request: object): Promise<RunLine[]> {
  const answer = await server.ask("POST", path, request);
  expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const events = (await answer.text()).split("\n\n").filter((event) => event.startsWith("data: "));
  return events.map((event) => JSON.parse(event.replace(/^data: /, "")) as RunLine);
}

describe("a model", () => {
  it("is told as a drawing, with the noise that it learnt to undo", async () => {
    const { parts, alpha, sigma, previewFactors, latent, text, words } = await asked<ExplainedModel>(
      "GET",
      "/api/explain/model",
    );
    expect([parts[0]!.path, parts.at(-1)!.path]).toEqual(["conv_in", "conv_out"]);
    expect(floats(alpha)[300]! ** 2 + floats(sigma)[300]! ** 2).toBeCloseTo(1, 5);
    expect(previewFactors).toHaveLength(latent[0]! + 1);
    expect(text.parts.reduce((sum, { weights }) => sum + weights, 0)).toBe(text.weights);
    expect([text.tokens, text.width]).toEqual(words);
    expect((await server.ask("GET", "/api/explain/model?model=none")).status).toBe(400);
  });
});

describe("a run", () => {
  it("tells its words, what was seen and said in each step with the maps of each word, and the picture", async () => {
    const lines = await linesOf({ steps: 2, width: 64, height: 64, sampler: "Euler" });
    expect(lines.map(({ type }) => type)).toEqual(["words", "step", "step", "image"]);
    const [words, step] = lines;
    if (words?.type !== "words" || step?.type !== "step") throw new Error("They were told in another order.");
    const { latents, cond, uncond, prediction, maps } = step;
    for (const numbers of [latents, cond!, uncond!, prediction]) {
      expect(floats(numbers).length).toBe(4 * latents.shape[2]! * latents.shape[3]!);
    }
    for (const { width, height, words: told } of maps) {
      expect(told).toHaveLength(words.words.length);
      for (const { most, data } of told) {
        const bytes = Buffer.from(data, "base64");
        expect([bytes.length, Math.max(...bytes)]).toEqual([width * height, 255]);
        expect(most).toBeGreaterThan(0);
        expect(most).toBeLessThanOrEqual(1);
      }
    }
  });

  it("is refused before it begins where it cannot be drawn", async () => {
    await refused("/api/explain/run", { prompt: "a", width: 63 }, "width", "multiple");
    await refused("/api/explain/run", { prompt: "a", count: 2 }, "count");
    await refused("/api/explain/run", { prompt: "a".repeat(1001) }, "prompt");
  });

  it("ends where nobody reads any more, and the next one is told whole", async () => {
    const answer = await server.ask("POST", "/api/explain/run", { prompt: "a", steps: 500, width: 64, height: 64 });
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.cancel();
    expect((await linesOf({ steps: 1, width: 64, height: 64, sampler: "Euler" })).at(-1)!.type).toBe("image");
  });
});

describe("pixels and latents", () => {
  it("are made of each other", async () => {
    const drawing = await asked<{ picture: string; caption: string }>("GET", "/api/explain/drawings/3");
    expect(drawing).toEqual(await asked("GET", "/api/explain/drawings/3"));
    expect((await server.ask("GET", "/api/explain/drawings/1000")).status).toBe(400);
    const base64 = drawing.picture.replace("data:image/png;base64,", "");
    const encoded = await asked<Encoded>("POST", "/api/explain/encode", { picture: { base64 }, seed: 3 });
    expect(encoded.latents.shape).toEqual(encoded.noise.shape);
    const answer = await server.ask("POST", "/api/explain/decode", { latents: encoded.latents });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(`data:image/png;base64,${Buffer.from(await answer.arrayBuffer()).toString("base64")}`).toBe(encoded.picture);
  });

  it("are taken back from noise step by step", async () => {
    const data = Buffer.from(new Float32Array(256).fill(0.5).buffer).toString("base64");
    const latents = { shape: [1, 4, 8, 8], data };
    const lines = await linesFrom("/api/explain/back", { latents, timestep: 300, prompt: "blue eyes", steps: 2 });
    expect(lines).toMatchObject([
      { type: "step", call: 0, calls: 2, timestep: 300, latents: { shape: latents.shape } },
      { type: "step", call: 1, calls: 2, timestep: 150, maps: [] },
    ]);
    const [late] = await linesFrom("/api/explain/back", { latents, timestep: 1000, prompt: "" });
    expect(late).toMatchObject({ type: "failed", message: expect.stringContaining("from 0 to 999") });
    const short = { shape: [1, 4, 8, 4], data };
    await refused("/api/explain/back", { latents: short, timestep: 3, prompt: "" }, "512 bytes", "1024");
  });

  it("have to be of one size, finite, and of this model's channels", async () => {
    const numbers = (shape: number[], values: number[]) => ({
      shape,
      data: Buffer.from(Float32Array.from(values).buffer).toString("base64"),
    });
    const decode = (latents: Numbers, ...words: string[]) => refused("/api/explain/decode", { latents }, ...words);
    await decode(numbers([1, 4, 2, 2], [1, 2, 3]), "64 bytes", "12");
    await decode(numbers([1, 1, 1, 1], [Number.NaN]), "finite");
    await decode(numbers([1, 1, 1, 2], [1, 2]), "[1,1,1,2]", "[1, 4, height, width]");
    await refused("/api/explain/encode", { picture: { base64: "AAAA" } }, "picture");
  });
});

describe("words", () => {
  it("have neighbours, and texts are compared", async () => {
    const found = await asked<ExplainedWords>("POST", "/api/explain/words", { text: "blue eyes", other: "red" });
    expect(found.tokens.every(({ nearest }) => nearest.length > 0)).toBe(true);
    expect(found.likeness!.matrix).toHaveLength(found.tokens.length);
    expect((await asked<ExplainedWords>("POST", "/api/explain/words", { text: "blue" })).likeness).toBeUndefined();
  });

  it("come next with their logits", async () => {
    const { tokens, logits } = await asked<NextWords>("POST", "/api/explain/next", { text: "a lady with blue" });
    expect(tokens[0]).toBe(" eyes");
    expect(floats(logits).length).toBeGreaterThan(tokens.length);
  });
});
