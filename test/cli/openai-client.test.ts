/** OpenAI's own client against a server that listens and draws. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI, { toFile } from "openai";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodePicture, encodePicture, readMetadata } from "../../src/image/index.ts";
import { addKey } from "../../src/server/access/keys.ts";
import { type RunningServer, startServer } from "../../src/server/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";

const folder = mkdtempSync(join(tmpdir(), "inkling-openai-"));
let server: RunningServer;
let client: OpenAI;
let apiKey: string;

beforeAll(async () => {
  const keyFile = join(folder, "keys.txt");
  apiKey = await addKey(keyFile, "anna");
  const log = pino({ level: "silent" });
  const models = [plainCheckpoint.folder];
  server = await startServer({ data: join(folder, "data"), port: 0, models, keyFile, log, grace: 0, heartbeat: 0.1 });
  client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });
});
afterAll(async () => {
  await server?.close();
  rmSync(folder, { recursive: true });
});

const SMALL = { prompt: "a cat", size: "64x64", seed: 7, steps: 4 };
const bytesOf = (b64?: string) => new Uint8Array(Buffer.from(b64!, "base64"));
async function picture(): Promise<Uint8Array> {
  return encodePicture({ width: 64, height: 64, data: new Uint8Array(3 * 64 * 64).fill(99) }, "png");
}

describe("the openai package", () => {
  it("draws: as base64 and at an address, the same picture", async () => {
    const { data, created } = await client.images.generate({ ...SMALL, response_format: "b64_json" });
    const bytes = bytesOf(data![0]!.b64_json);
    const { width, height } = await decodePicture(bytes, "it");
    expect([width, height, data!.length]).toEqual([64, 64, 1]);
    expect(Math.abs(created - Date.now() / 1000)).toBeLessThan(100);
    const again = await client.images.generate({ ...SMALL, n: 2, response_format: "url" });
    expect(again.data!.map(({ b64_json }) => b64_json)).toEqual([undefined, undefined]);
    const file = await fetch(again.data![0]!.url!, { headers: { authorization: `Bearer ${apiKey}` } });
    expect(file.headers.get("content-type")).toBe("image/png");
    const drawn = await decodePicture(new Uint8Array(await file.arrayBuffer()), "it");
    expect(drawn.data).toEqual((await decodePicture(bytes, "it")).data);
  });

  it("is streamed to: previews, then the picture", async () => {
    const stream = await client.images.generate({ ...SMALL, stream: true, partial_images: 2, output_format: "webp" });
    const events = [];
    for await (const event of stream) events.push(event);
    const last = events.at(-1)!;
    expect(last.type).toBe("image_generation.completed");
    expect(readMetadata(bytesOf(last.b64_json), "it")).toMatchObject({ format: "webp" });
    const partial = events.slice(0, -1);
    expect(partial.length).toBeGreaterThan(0);
    for (const [i, event] of partial.entries()) {
      expect(event).toMatchObject({ type: "image_generation.partial_image", partial_image_index: i });
      expect((await decodePicture(bytesOf(event.b64_json), "it")).width).toBeGreaterThan(0);
    }
  });

  it("is given signs of life while its job waits, and takes no notice of them", async () => {
    const headers = { authorization: `Bearer ${apiKey}`, "content-type": "application/json" };
    const long = JSON.stringify({ prompt: "a dog", width: 64, height: 64, steps: 900 });
    const before = await fetch(`${server.url}/api/jobs`, { method: "POST", headers, body: long });
    const { id } = (await before.json()) as { id: string };
    let sent: Promise<string> | undefined;
    const listening = client.withOptions({
      fetch: async (...asked) => {
        const answer = await fetch(...asked);
        const [ours, theirs] = answer.body!.tee();
        sent = new Response(ours).text();
        return new Response(theirs, answer);
      },
    });
    const stream = await listening.images.generate({ ...SMALL, stream: true, partial_images: 0 });
    await new Promise((done) => setTimeout(done, 500));
    await fetch(`${server.url}/api/jobs/${id}`, { method: "DELETE", headers });
    const types: string[] = [];
    for await (const { type } of stream) types.push(type);
    expect(types).toEqual(["image_generation.completed"]);
    expect((await sent!).split("event: ")[0]!.split(": still here\n\n").length).toBeGreaterThan(3);
  });

  it("edits and varies", async () => {
    const image = await toFile(await picture(), "a.png", { type: "image/png" });
    const size = "64x64" as const;
    const edited = await client.images.edit({ image, prompt: "a hat", size, response_format: "b64_json" });
    expect((await decodePicture(bytesOf(edited.data![0]!.b64_json), "it")).width).toBe(64);
    const { default: sharp } = await import("sharp");
    const half = Uint8Array.from({ length: 4 * 64 * 64 }, (_, i) => (i % 4 === 3 && i < 2 * 64 * 64 ? 0 : 255));
    const hole = await sharp(half, { raw: { width: 64, height: 64, channels: 4 } })
      .png()
      .toBuffer();
    const mask = await toFile(hole, "mask.png", { type: "image/png" });
    const painted = await client.images.edit({ image, mask, prompt: "a hat", size, response_format: "b64_json" });
    const { data } = await decodePicture(bytesOf(painted.data![0]!.b64_json), "it");
    // What the mask keeps is the picture's own, away from the edge.
    expect(new Set(data.subarray(3 * 64 * 48))).toEqual(new Set([99]));
    expect(new Set(data.subarray(0, 3 * 64 * 16)).size).toBeGreaterThan(3);
    const varied = await client.images.createVariation({ image, n: 2, response_format: "b64_json", size: "256x256" });
    expect(varied.data).toHaveLength(2);
  });

  it("lists models, and finds one", async () => {
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual([plainCheckpoint.name]);
    expect(await client.models.retrieve(plainCheckpoint.name)).toEqual(data[0]);
    await expect(client.models.retrieve("a/b")).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  it("is told of errors as its own kinds", async () => {
    await expect(client.images.generate({ ...SMALL, n: 0 })).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      param: "n",
      code: "invalid_value",
    });
    await expect(client.images.generate({ ...SMALL, size: "65x64" })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(client.images.generate({ ...SMALL, model: "dall-e-3" })).rejects.toMatchObject({
      status: 404,
      code: "model_not_found",
    });
    const stranger = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: "wrong", maxRetries: 0 });
    const refused = stranger.images.generate(SMALL);
    await expect(refused).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
    await expect(refused).rejects.toMatchObject({ code: "invalid_api_key" });
  });

  it("that goes away takes its job with it", async () => {
    const controller = new AbortController();
    const long = { ...SMALL, steps: 900 };
    const asked = client.images.generate(long, { signal: controller.signal });
    const jobs = async (state: string): Promise<unknown[]> => {
      const headers = { authorization: `Bearer ${apiKey}` };
      const answer = await fetch(`${server.url}/api/jobs?state=${state}`, { headers });
      return ((await answer.json()) as { jobs: unknown[] }).jobs;
    };
    await expect.poll(() => jobs("running"), { timeout: 10_000 }).toHaveLength(1);
    controller.abort();
    await expect(asked).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
    await expect.poll(() => jobs("cancelled"), { timeout: 10_000 }).toHaveLength(1);
  });
});
