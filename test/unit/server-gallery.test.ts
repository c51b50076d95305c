import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readMetadata } from "../../src/image/index.ts";
import type {
  DrawRequest,
  GalleryItem,
  GalleryPage,
  ModelList,
  Options,
  Problem,
  Scores,
  SettingsFromPicture,
  Tokens,
  Written,
} from "../../src/server/index.ts";
import { createKept } from "../../src/server/kept.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { SMALL, type TestServer, testServer } from "../support/server.ts";

let server: TestServer;
const drawn: GalleryItem[] = [];

beforeAll(async () => {
  server = await testServer();
  const prompts = ["a red house, Café", "a blue house by the sea", "two geese"];
  for (const [i, prompt] of prompts.entries()) {
    const { id } = await server.post({ prompt, seed: 40 * i, negativePrompt: "fog" });
    drawn.unshift((await server.until(id, "done")).pictures[0]!);
  }
});
afterAll(async () => {
  await server.stop();
  server[Symbol.dispose]();
});

const get = async <T>(path: string): Promise<T> => (await (await server.ask("GET", path)).json()) as T;
const post = async <T>(path: string, body: unknown): Promise<T> =>
  (await (await server.ask("POST", path, body)).json()) as T;
const ids = ({ pictures }: GalleryPage): string[] => pictures.map(({ id }) => id);

describe("the gallery", () => {
  it("lists page by page, the newest first", async () => {
    const first = await get<GalleryPage>("/api/gallery?limit=2");
    expect(first.pictures).toEqual(drawn.slice(0, 2));
    const second = await get<GalleryPage>(`/api/gallery?limit=2&before=${first.next}`);
    expect([ids(second), second.next]).toEqual([[drawn[2]!.id], null]);
    expect((await server.ask("GET", "/api/gallery?before=nothing")).status).toBe(404);
    expect((await server.ask("GET", "/api/gallery?limit=0")).status).toBe(400);
  });

  it.each([
    ["house", [1, 2]],
    ["HOUSE red", [2]],
    ["cafe", [2]],
    ["hou blu", [1]],
    ["Euler fog", [0, 1, 2]],
    ["nothing", []],
    ['"house" OR geese', []],
    ["-house", [1, 2]],
    ["*", []],
    ["'; DROP TABLE pictures; --", []],
  ])("finds by words: %s", async (search, places) => {
    const found = await get<GalleryPage>(`/api/gallery?search=${encodeURIComponent(search)}`);
    expect(ids(found)).toEqual(places.map((place) => drawn[place]!.id));
  });

  it("keeps favourites", async () => {
    const [picture] = drawn as [GalleryItem];
    const liked = await server.ask("PATCH", picture.url, { favourite: true });
    expect(await liked.json()).toEqual({ ...picture, favourite: true });
    expect(ids(await get("/api/gallery?favourite=true"))).toEqual([picture.id]);
    await server.ask("PATCH", picture.url, { favourite: false });
    expect((await server.ask("PATCH", picture.url, { prompt: "other" })).status).toBe(400);
  });

  it("deletes into a bin, and for good only from there", async () => {
    const { id } = await server.post({ prompt: "to be deleted" });
    const { pictures } = await server.until(id, "done");
    const [{ url, id: picture }] = pictures as [GalleryItem];
    const early = await server.ask("DELETE", `${url}?forever=true`);
    expect([early.status, ((await early.json()) as Problem).error.code]).toEqual([409, "conflict"]);
    const deleted = (await (await server.ask("DELETE", url)).json()) as GalleryItem;
    expect(Date.parse(deleted.deleted!)).toBeGreaterThan(Date.now() - 60_000);
    expect(ids(await get("/api/gallery"))).not.toContain(picture);
    expect(ids(await get("/api/gallery?deleted=true"))).toEqual([picture]);
    expect(await post(`${url}/restore`, undefined)).toMatchObject({ id: picture, deleted: null });
    expect(ids(await get("/api/gallery"))).toContain(picture);
    await server.ask("GET", `${url}/thumbnail`);
    await server.ask("DELETE", url);
    expect((await server.ask("DELETE", `${url}?forever=true`)).status).toBe(204);
    for (const file of [`pictures/${picture}.png`, `thumbnails/${picture}.webp`]) {
      expect(existsSync(join(server.data, file))).toBe(false);
    }
    for (const path of [url, `${url}/info`, `${url}/thumbnail`])
      expect((await server.ask("GET", path)).status).toBe(404);
  });

  it("gives a file a name, and says nothing twice", async () => {
    const { url, id } = drawn[2]!;
    const file = await server.ask("GET", `${url}?download`);
    expect(file.headers.get("content-disposition")).toBe('attachment; filename="a-red-house-caf-0.png"');
    expect(file.headers.get("cache-control")).toContain("immutable");
    expect((await server.ask("GET", url, undefined, { "if-none-match": `"${id}"` })).status).toBe(304);
  });

  it("is searched by likeness: to a picture, and to words", async () => {
    const like = await get<GalleryPage>(`/api/gallery?similar=${drawn[0]!.id}`);
    expect(ids(like).sort()).toEqual([drawn[1]!.id, drawn[2]!.id].sort());
    const [first, second] = like.pictures as [GalleryItem, GalleryItem];
    expect(first.similarity).toBeGreaterThanOrEqual(second.similarity!);
    const words = await get<GalleryPage>("/api/gallery?similar=a%20dark%20square&limit=2");
    expect(words.pictures).toHaveLength(2);
    const rest = await get<GalleryPage>(`/api/gallery?similar=a%20dark%20square&before=${words.next}`);
    expect(new Set([...ids(words), ...ids(rest)])).toEqual(new Set(drawn.map(({ id }) => id)));
    expect(rest.next).toBeNull();
  });
});

describe("settings out of a picture", () => {
  it("are those of a request for the same one", async () => {
    const file = await (await server.ask("GET", drawn[1]!.url)).arrayBuffer();
    const send = (headers: Record<string, string>, body: BodyInit) =>
      server.app.request("/api/settings/from-picture", {
        method: "POST",
        headers: { host: "localhost", ...headers },
        body,
      });
    const read = (await (await send({ "content-type": "image/png" }, file)).json()) as SettingsFromPicture;
    expect(read.settings).toMatchObject({
      prompt: "a blue house by the sea",
      negativePrompt: "fog",
      seed: 40,
      steps: SMALL.steps,
      width: SMALL.width,
      height: SMALL.height,
      sampler: "Euler",
      model: plainCheckpoint.name,
    } satisfies Partial<DrawRequest>);
    expect(read.notes).toEqual([]);
    expect(read.infotext).toBe(readMetadata(new Uint8Array(file), "it").infotext);
    const form = new FormData();
    form.set("picture", new File([file], "house.png", { type: "image/png" }));
    expect(await (await send({}, form)).json()).toEqual(read);
    const again = await server.post({ ...read.settings, prompt: read.settings.prompt! });
    const { pictures } = await server.until(again.id, "done");
    expect(pictures[0]!.infotext).toBe(drawn[1]!.infotext);
    server.services.gallery.remove(pictures[0]!.id);
    for (const [body, words] of [
      ["no picture", "is no picture"],
      ["", "is empty"],
    ] as const) {
      const refused = await send({ "content-type": "image/png" }, body);
      expect(((await refused.json()) as Problem).error.message).toContain(words);
    }
  });
});

describe("words", () => {
  it("as tokens with weights", async () => {
    const told = await post<Tokens>("/api/tokens", { prompt: "a (big:1.5) cat AND a dog :0.5" });
    expect(told.parts.map(({ weight }) => weight)).toEqual([1, 0.5]);
    expect(told.parts[0]!.fragments).toContainEqual({ text: "big", weight: 1.5, at: 3, isBreak: false });
    expect(told.parts[0]!.tokens.filter(({ weight }) => weight === 1.5).length).toBeGreaterThan(0);
    expect(told).toMatchObject({ rows: 1, room: 75, dropped: "" });
    const long = await post<Tokens>("/api/tokens", { prompt: "cat, ".repeat(60) });
    expect(long.rows).toBeGreaterThan(1);
    expect(long.count).toBe(long.parts[0]!.tokens.length);
    const cut = await post<Tokens>("/api/tokens", { prompt: "cat, ".repeat(60), promptSyntax: "plain" });
    expect([cut.rows, cut.dropped.length > 0]).toEqual([1, true]);
    const wrong = await post<Problem>("/api/tokens", { prompt: "x", model: "other" });
    expect(wrong.error).toMatchObject({ code: "invalid", at: "model" });
  });

  it("go on from a beginning, the closest first", async () => {
    const asked = { beginning: "a castle", count: 3, seed: 1, maxLength: 12 };
    const { prompts, model } = await post<Written>("/api/write", asked);
    expect(model).toBe("inkdrop-gpt2");
    expect(prompts).toHaveLength(3);
    for (const { text } of prompts) expect(text).toMatch(/^a castle/);
    const scores = prompts.map(({ score }) => score!);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect((await post<Written>("/api/write", asked)).prompts).toEqual(prompts);
    expect((await post<Problem>("/api/write", { goal: "fats" })).error.message).toContain("fast");
  });

  it("are compared with pictures", async () => {
    const pictures = drawn.slice(0, 2).map(({ id }) => ({ picture: id }));
    const { scores, probabilities } = await post<Scores>("/api/score", {
      pictures,
      texts: ["a house", "a goose", "a lady"],
    });
    expect(scores.map((row) => row.length)).toEqual([3, 3]);
    for (const row of probabilities) expect(row.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });
});

describe("what can be asked for", () => {
  it("is told: models, samplers, schedules, goals, limits", async () => {
    const { models } = await get<ModelList>("/api/models");
    expect(models).toMatchObject([{ name: plainCheckpoint.name, default: true, defaults: { steps: 50 } }]);
    const options = await get<Options>("/api/options");
    expect(options.samplers.map(({ name }) => name)).toContain("Euler a");
    expect(options.goals.map(({ name }) => name)).toEqual(["fast", "quality", "creative"]);
    expect(options.limits.settings["steps"]).toEqual([1, 1000]);
    expect(options.limits.body).toBe(32 * 2 ** 20);
  });

  it("stands in one document, which names every shape and route", async () => {
    const document = await get<{ openapi: string; paths: object; components: { schemas: object } }>("/openapi.json");
    expect(document.openapi).toBe("3.1.0");
    const told = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");
    const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ":$1")}`),
    );
    for (const route of routes) {
      const [method, path] = route.split(" ") as [string, string];
      expect(
        told.includes(route) || (method === "GET" && told.includes(`\`${path}\``)),
        `docs/server.md: ${route}`,
      ).toBe(true);
    }
    for (const name of ["Job", "JobEvent", "DrawRequest", "GalleryItem", "Problem"]) {
      expect(Object.keys(document.components.schemas)).toContain(name);
    }
    expect(JSON.stringify(document)).not.toContain('"$ref":"#/components/schemas/undefined"');
  });

  it("and how it goes, for Prometheus", async () => {
    const text = await (await server.ask("GET", "/metrics")).text();
    expect(text).toMatch(/^inkling_jobs_accepted_total \d+$/m);
    expect(text).toMatch(/^inkling_jobs_ended_total\{state="done"\} [1-9]/m);
    expect(text).toMatch(
      /inkling_http_request_seconds_count\{method="GET",route="\/api\/pictures\/:id",status="200"\}/,
    );
    expect(text).not.toContain("house");
  });
});

describe("what is kept for several", () => {
  it("is opened once, used by one after another, and closed when nobody asks", async () => {
    const log: string[] = [];
    const open = async () => {
      log.push("open");
      return { close: async () => void log.push("close") };
    };
    const kept = createKept(open, { name: "it", waiting: 2, idleSeconds: 0.05 });
    const use = (name: string) =>
      kept.use(async () => {
        log.push(`${name} begins`);
        await new Promise((done) => setTimeout(done, 5));
        log.push(`${name} ends`);
      });
    const both = [use("a"), use("b"), use("c")];
    expect(() => use("d")).toThrow(/3 requests wait for it/);
    await Promise.all(both);
    expect(log).toEqual(["open", "a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
    await new Promise((done) => setTimeout(done, 150));
    expect(log.at(-1)).toBe("close");
    await use("e");
    await kept.close();
    expect(log.slice(-4)).toEqual(["open", "e begins", "e ends", "close"]);
  });
});
