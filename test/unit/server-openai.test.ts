import { describe, expect, it } from "vitest";
import { decodePicture, encodePicture, type Picture, readMetadata } from "../../src/image/index.ts";
import { dueCalls } from "../../src/server/openai/answer.ts";
import { maskOf } from "../../src/server/openai/mask.ts";
import type { OpenAiProblem } from "../../src/server/openai/problem.ts";
import { editRequest, generationRequest, variationRequest } from "../../src/server/openai/request.ts";
import { generation, type ImagesResponse } from "../../src/server/openai/schema.ts";
import { type TestServer, testServers } from "../support/server.ts";

const open = testServers();

const GENERATIONS = "/v1/images/generations";
const SMALL = { prompt: "a cat", size: "16x24", steps: 2, seed: 7 };
const grey: Picture = { width: 16, height: 24, data: new Uint8Array(3 * 16 * 24).fill(9) };
const read = (body: object) => generationRequest(generation.parse(body));

/** A form as a browser or a client sends it. */
async function form(server: TestServer, path: string, fields: Record<string, string | Uint8Array>) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === "string") data.append(name, value);
    else data.append(name, new File([Buffer.from(value)], "a.png", { type: "image/png" }));
  }
  return server.app.request(path, { method: "POST", body: data, headers: { host: "localhost" } });
}

async function rgba(width: number, height: number, alpha: (i: number) => number): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp");
  const data = Uint8Array.from({ length: 4 * width * height }, (_, i) => (i % 4 === 3 ? alpha(i >> 2) : 77));
  return sharp(data, { raw: { width, height, channels: 4 } })
    .png()
    .toBuffer();
}

describe("a request of OpenAI's", () => {
  it("becomes one of ours", () => {
    expect(read({ ...SMALL, model: "sd", n: 3, quality: "high", user: "u", negative_prompt: "dog" }).request).toEqual({
      prompt: "a cat",
      negativePrompt: "dog",
      model: "sd",
      count: 3,
      width: 16,
      height: 24,
      steps: 2,
      seed: 7,
      goal: "quality",
    });
    expect(read({ prompt: "x", size: "auto", quality: "auto", n: null }).request).toEqual({ prompt: "x" });
    expect(read({ prompt: "x", quality: "low" }).request.goal).toBe("fast");
  });

  it.each([
    [{}, { url: true, base64: true, format: "png" }],
    [{ response_format: "url" }, { url: true, base64: false }],
    [{ response_format: "b64_json" }, { url: false, base64: true }],
    [
      { output_format: "webp", output_compression: 0 },
      { url: false, base64: true, format: "webp", quality: 1 },
    ],
    [{ stream: true }, { partialImages: 0 }],
    [{ stream: true, partial_images: 2 }, { partialImages: 2 }],
  ])("%j asks for %j", (asked, answer) => expect(read({ prompt: "x", ...asked }).answer).toMatchObject(answer));

  it.each([
    [{ style: "vivid" }, "style"],
    [{ background: "transparent" }, "background"],
    [{ response_format: "url", output_format: "jpeg" }, "response_format"],
    [{ output_compression: 50 }, "output_compression"],
    [{ partial_images: 2 }, "partial_images"],
    [{ stream: true, n: 2 }, "n"],
    [{ stream: true, response_format: "url" }, "response_format"],
  ])("%j is refused", (asked, at) => {
    expect(() => read({ prompt: "x", ...asked })).toThrow(expect.objectContaining({ code: "invalid", at }));
  });

  it("may start from a picture", () => {
    const image = new Uint8Array([1, 2, 3]);
    const base64 = "AQID";
    expect(editRequest({ prompt: "x" }, { image, mask: image }).request).toEqual({
      prompt: "x",
      image: { base64 },
      mask: { base64 },
    });
    expect(() => editRequest({ prompt: "x", input_fidelity: "high" }, { image })).toThrow(/strength/);
    const like = variationRequest({ image: undefined as never, n: 2 }, image, { prompt: "a cat" });
    expect(like.request).toEqual({ prompt: "a cat", count: 2, image: { base64 }, strength: 0.6 });
  });

  it("has its previews spread over the calls", () => {
    expect(dueCalls(3, 20)).toEqual([5, 10, 15]);
    expect(dueCalls(3, 1)).toEqual([1, 1, 1]);
    expect(dueCalls(0, 20)).toEqual([]);
  });
});

describe("a mask of OpenAI's", () => {
  it("is white where it was transparent, and nowhere else", async () => {
    const bytes = await rgba(4, 2, (i) => (i < 3 ? 0 : i === 3 ? 1 : 255));
    const mask = await decodePicture((await maskOf(bytes, "mask", decodePicture))!, "it");
    const white = Array.from({ length: 8 }, (_, i) => mask.data[3 * i]);
    expect(white).toEqual([255, 255, 255, 0, 0, 0, 0, 0]);
    expect(await maskOf(await encodePicture(grey, "png"), "mask", decodePicture)).toBeUndefined();
  });
});

describe("/v1/images", () => {
  it("stands in the document of the server, as A1111's paths do", async () => {
    const { ask } = await open({ idle: true });
    const { paths } = (await (await ask("GET", "/openapi.json")).json()) as { paths: Record<string, unknown> };
    const { requestBody } = (paths["/v1/images/edits"] as { post: { requestBody: { content: object } } }).post;
    expect(Object.keys(requestBody.content)).toEqual(["multipart/form-data"]);
    for (const path of [GENERATIONS, "/v1/models/{id}", "/sdapi/v1/txt2img", "/sdapi/v1/samplers"]) {
      expect(paths[path]).toBeDefined();
    }
  });

  it("draws, and keeps what it drew in the gallery", async () => {
    const { ask, services } = await open();
    const answer = await ask("POST", GENERATIONS, { ...SMALL, n: 2 });
    expect(answer.status).toBe(200);
    const { data, size, output_format, usage } = (await answer.json()) as ImagesResponse;
    expect([size, output_format]).toEqual(["16x24", "png"]);
    expect(usage.input_tokens).toBeGreaterThan(2);
    const kept = services.gallery.list({ limit: 5 });
    expect(kept.map(({ seed }) => seed)).toEqual([8, 7]);
    expect(data.map(({ url }) => new URL(url!).pathname)).toEqual(kept.toReversed().map(({ url }) => url));
    const bytes = Buffer.from(data[1]!.b64_json!, "base64");
    expect(readMetadata(bytes, "it").infotext).toBe(kept[0]!.infotext);
  });

  it("gives a JPEG with the settings inside", async () => {
    const { ask } = await open();
    const answer = await ask("POST", GENERATIONS, { ...SMALL, output_format: "jpeg", output_compression: 80 });
    const { data } = (await answer.json()) as ImagesResponse;
    const { format, infotext } = readMetadata(Buffer.from(data[0]!.b64_json!, "base64"), "it");
    expect([format, data[0]!.url]).toEqual(["jpeg", undefined]);
    expect(infotext).toContain("Seed: 7");
  });

  it("edits by a mask, by the picture's own transparency, or all of it", async () => {
    const server = await open();
    const { drawing } = server;
    const image = await encodePicture(grey, "png");
    const mask = await rgba(16, 24, (i) => (i < 8 ? 0 : 255));
    const fields = { prompt: "x", steps: "2", response_format: "b64_json" };
    expect((await form(server, "/v1/images/edits", { ...fields, image, mask })).status).toBe(200);
    expect((await form(server, "/v1/images/edits", { ...fields, "image[]": mask })).status).toBe(200);
    expect((await form(server, "/v1/images/edits", { ...fields, image, strength: "0.5" })).status).toBe(200);
    const [masked, own, plain] = drawing.asked;
    expect(masked!.image!.data[0]).toBe(9);
    expect([...masked!.mask!.data.subarray(21, 27)]).toEqual([255, 255, 255, 0, 0, 0]);
    expect(own!.mask!.data).toEqual(masked!.mask!.data);
    expect([plain!.mask, plain!.strength]).toEqual([undefined, 0.5]);
  });

  it("varies a picture by the words inside it", async () => {
    const server = await open();
    const image = await encodePicture(
      grey,
      "png",
      "a blue cat\nNegative prompt: dog\nSteps: 4, Sampler: Euler, Seed: 1",
    );
    expect((await form(server, "/v1/images/variations", { image, n: "2" })).status).toBe(200);
    expect(server.drawing.asked[0]).toMatchObject({ prompt: "a blue cat", negativePrompt: "dog", count: 2 });
  });

  it.each([
    [GENERATIONS, { prompt: 3 }, 400, "prompt"],
    [GENERATIONS, {}, 400, "prompt"],
    [GENERATIONS, { prompt: "x", n: 11 }, 400, "n"],
    [GENERATIONS, { prompt: "x", size: "17x16" }, 400, "size"],
    [GENERATIONS, { prompt: "x", size: "huge" }, 400, "size"],
    [GENERATIONS, { prompt: "x", model: "dall-e-3" }, 404, "model"],
    [GENERATIONS, { prompt: "x", wings: 2 }, 400, null],
    ["/v1/images/edits", { prompt: "x", image: "https://example.org/a.png" }, 415, null],
    ["/v1/nothing", {}, 404, null],
  ])("%s of %j is refused in OpenAI's shape", async (path, body, status, param) => {
    const { ask, services } = await open({ idle: true });
    const answer = await ask("POST", path, body);
    const { error } = (await answer.json()) as OpenAiProblem;
    expect([answer.status, error.param]).toEqual([status, param]);
    expect(error.message.length).toBeGreaterThan(10);
    expect(Object.keys(error).sort()).toEqual(["code", "message", "param", "type"]);
    expect(services.jobs.waiting).toBe(0);
  });

  it.each([
    [{ prompt: "x" }, "image"],
    [{ prompt: "x", image: "http://127.0.0.1/a.png" }, "image"],
    [{ prompt: "x", n: "NaN", image: new Uint8Array(3) }, "n"],
    [{ prompt: "x", n: "1e9", image: new Uint8Array(3) }, "n"],
    [{ prompt: "x", stream: "perhaps", image: new Uint8Array(3) }, "stream"],
    [{ prompt: "x", image: new Uint8Array(3) }, null],
  ])("the form %# of an edit is refused", async (fields, param) => {
    const server = await open({ idle: true });
    const answer = await form(server, "/v1/images/edits", fields as Record<string, string | Uint8Array>);
    const { error } = (await answer.json()) as OpenAiProblem;
    expect([answer.status, error.param]).toEqual([400, param]);
  });

  it("says what failed, and that asking again does not help", async () => {
    const { ask, services, drawing } = await open({ fail: () => new Error("secret") });
    const answer = await ask("POST", GENERATIONS, SMALL);
    expect([answer.status, answer.headers.get("x-should-retry")]).toEqual([500, "false"]);
    expect(JSON.stringify(await answer.json())).not.toContain("secret");
    const server = await open();
    server.drawing.hold();
    const asked = server.ask("POST", GENERATIONS, SMALL);
    await server.until(await firstJob(server), "running");
    await server.services.jobs.cancel(await firstJob(server));
    expect([(await asked).status, (await asked).headers.get("x-should-retry")]).toEqual([409, "false"]);
    expect([services.jobs.watchers, drawing.asked.length]).toEqual([0, 1]);
  });

  it("cancels the job of a client that leaves, unless its key can come for it", async () => {
    const { app, until, drawing, services } = await open();
    drawing.hold();
    for (const [key, state] of [
      [{}, "cancelled"],
      [{ "idempotency-key": "k" }, "done"],
    ] as const) {
      const controller = new AbortController();
      const headers = { host: "localhost", "content-type": "application/json", ...key };
      const before = services.jobs.list({}).jobs.length;
      const asked = app.request(GENERATIONS, {
        method: "POST",
        headers,
        body: JSON.stringify(SMALL),
        signal: controller.signal,
      });
      await expect.poll(() => services.jobs.list({}).jobs.length).toBe(before + 1);
      const { id } = services.jobs.list({}).jobs[0]!;
      await until(id, "running");
      controller.abort();
      if (state === "done") drawing.release();
      expect((await until(id, "cancelled", "done")).state).toBe(state);
      await Promise.resolve(asked).catch(() => {});
    }
    expect(services.jobs.watchers).toBe(0);
  });

  it("cancels the job of a stream that is not read any more", async () => {
    const { ask, until, drawing, services } = await open();
    drawing.hold();
    const answer = await ask("POST", GENERATIONS, { ...SMALL, stream: true, partial_images: 1 });
    const { id } = services.jobs.list({}).jobs[0]!;
    await until(id, "running");
    await answer.body!.cancel();
    expect((await until(id, "cancelled")).state).toBe("cancelled");
    expect(services.jobs.watchers).toBe(0);
  });

  it("ends a stream with the error where drawing fails", async () => {
    const { ask } = await open({ fail: () => new Error("secret") });
    const text = await (await ask("POST", GENERATIONS, { ...SMALL, stream: true })).text();
    expect(text).toMatch(/^: still here\n\nevent: error\ndata: \{"type":"error","error":\{"message":"Something/);
  });
});

async function firstJob({ services }: TestServer): Promise<string> {
  await expect.poll(() => services.jobs.list({}).jobs.length).toBeGreaterThan(0);
  return services.jobs.list({}).jobs[0]!.id;
}
