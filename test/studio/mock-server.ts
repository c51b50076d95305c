import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import sharp from "sharp";
import { GOALS } from "../../src/pipelines/goals.ts";
import { limits } from "../../src/pipelines/limits.ts";
import type { DrawRequest, GalleryItem, Job, JobEvent } from "../../src/server/schema/index.ts";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const page = fileURLToPath(new URL("../../dist/studio/", import.meta.url));
const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async function png(seed: number, size: number): Promise<Buffer> {
  const [a, b] = [seed % 360, (seed * 47) % 360];
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256"><defs><radialGradient id="g"><stop offset="0" stop-color="hsl(${a},60%,70%)"/><stop offset="1" stop-color="hsl(${b},45%,35%)"/></radialGradient></defs><rect width="256" height="256" fill="hsl(${b},30%,88%)"/><circle cx="${90 + (seed % 80)}" cy="${100 + (seed % 60)}" r="${50 + (seed % 40)}" fill="url(#g)"/></svg>`;
  return await sharp(Buffer.from(svg)).resize(size).png().toBuffer();
}

/** As much of the API as the page needs, without a model. */
export async function startMock(port = 0, stepMs = 60): Promise<{ origin: string; close(): Promise<void> }> {
  const app = new Hono();
  const items: GalleryItem[] = [];
  const jobs = new Map<string, { job: Job; events: JobEvent[]; wake: (() => void)[] }>();

  const settingsOf = (request: DrawRequest) =>
    ({
      negativePrompt: "",
      steps: 12,
      width: 256,
      height: 256,
      guidance: 7.5,
      sampler: "DPM++ 2M",
      schedule: "karras",
      count: 1,
      rng: "cpu",
      model: "inkdrop-256",
      ...request,
    }) as unknown as GalleryItem["settings"];

  async function draw(id: string): Promise<void> {
    const held = jobs.get(id)!;
    const tell = (event: JobEvent): void => {
      held.events.push(event);
      for (const wake of held.wake.splice(0)) wake();
    };
    const { job } = held;
    const settings = settingsOf(job.request);
    const [count, steps] = [job.request.count ?? 1, settings.steps];
    tell({ type: "start", settings, pictures: count, attempt: 1 });
    job.state = "running";
    for (let picture = 0; picture < count; picture++) {
      const seed = job.request.seed! + picture;
      const preview = `data:image/png;base64,${(await png(seed, 32)).toString("base64")}`;
      for (let call = 0; call < steps; call++) {
        if (job.state !== "running") return tell({ type: "cancelled" });
        const secondsLeft = ((count - picture) * steps - call) * (stepMs / 1000);
        tell({ type: "step", picture, call, calls: steps, timestep: 0, sigma: 1, secondsLeft, preview });
        await new Promise((resolve) => setTimeout(resolve, stepMs));
      }
      const item: GalleryItem = {
        id: `${id}-${picture}`,
        url: `/api/pictures/${id}-${picture}`,
        thumbnail: `/api/pictures/${id}-${picture}/thumbnail`,
        width: settings.width,
        height: settings.height,
        job: id,
        index: picture,
        prompt: job.request.prompt,
        seed,
        model: settings.model,
        settings: { ...settings, seed },
        infotext: "",
        favourite: false,
        created: new Date().toISOString(),
        deleted: null,
      };
      items.unshift(item);
      job.pictures.push(item);
      tell({ type: "image", picture: item });
    }
    job.state = "done";
    tell({ type: "done", seconds: 1 });
  }

  app.use(async (c, next) => {
    await next();
    c.header("content-security-policy", POLICY);
  });
  app.get("/api/models", (c) =>
    c.json({
      models: [
        {
          name: "inkdrop-256",
          about: "drawings",
          default: true,
          loaded: true,
          defaults: { width: 256, height: 256, steps: 12, guidance: 7.5 },
        },
        { name: "sd2.1", about: "Stable Diffusion 2.1", default: false, loaded: false },
      ],
    }),
  );
  app.get("/api/options", (c) =>
    c.json({
      version: "0.1.0",
      samplers: ["Euler", "Euler a", "DPM++ 2M", "Heun"].map((name) => ({
        name,
        aliases: [],
        family: "a1111",
        description: name,
        stochastic: false,
        callsPerStep: 1,
        takesEta: false,
        schedules: ["normal", "karras", "exponential"],
      })),
      schedules: ["normal", "karras", "exponential"].map((name) => ({ name, aliases: [], description: name })),
      goals: GOALS,
      adapters: [],
      limits: {
        settings: limits,
        pixels: 2048 * 2048,
        prompt: 10_000,
        pictures: 64,
        body: 20_000_000,
        queue: { jobs: 100, perClient: 20 },
      },
    }),
  );
  app.post("/api/tokens", async (c) => {
    const { prompt } = (await c.req.json()) as { prompt: string };
    const words = prompt.match(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu) ?? [];
    const rows = Math.max(1, Math.ceil(words.length / 75));
    return c.json({ count: words.length, room: 75 * rows, rows, dropped: "", parts: [] });
  });
  app.post("/api/write", async (c) => {
    const { beginning = "a castle" } = (await c.req.json()) as { beginning?: string };
    const ends = [" with green eyes, drawn in ink", " and a red scarf", " in the rain, soft light", " smiling"];
    return c.json({
      model: "inkwriter",
      prompts: ends.map((end, seed) => ({ text: beginning + end, seed, probability: 0.4, score: 80 - 5 * seed })),
    });
  });
  app.post("/api/settings/from-picture", (c) =>
    c.json({ settings: { prompt: "a fox", seed: 7, steps: 9, guidance: 5, rng: "cuda" }, infotext: "", notes: [] }),
  );
  app.post("/api/jobs", async (c) => {
    const request = (await c.req.json()) as DrawRequest;
    if (/\(.*:\)/.test(request.prompt))
      return c.json({ error: { code: "invalid", message: "The prompt is wrong." } }, 400);
    const id = `j${jobs.size + 1}`;
    request.seed ??= Math.floor(Math.random() * 1e9);
    const job: Job = {
      id,
      state: "queued",
      request,
      settings: settingsOf(request),
      model: "inkdrop-256",
      position: 0,
      progress: null,
      secondsLeft: null,
      pictures: [],
      error: null,
      attempts: 0,
      retryOf: null,
      created: new Date().toISOString(),
      started: null,
      finished: null,
    };
    jobs.set(id, { job, events: [], wake: [] });
    setTimeout(() => void draw(id), 20);
    return c.json(structuredClone(job), 201);
  });
  app.get("/api/jobs", (c) => c.json({ jobs: [...jobs.values()].map(({ job }) => job).reverse(), next: null }));
  app.get("/api/jobs/:id", (c) => c.json(jobs.get(c.req.param("id"))!.job));
  app.delete("/api/jobs/:id", (c) => {
    const { job } = jobs.get(c.req.param("id"))!;
    if (job.state === "running" || job.state === "queued") job.state = "cancelled";
    return c.json(job);
  });
  app.get("/api/jobs/:id/events", (c) => {
    const held = jobs.get(c.req.param("id"))!;
    return streamSSE(c, async (stream) => {
      for (let at = 0; !stream.aborted; at++) {
        while (at >= held.events.length) await new Promise<void>((resolve) => held.wake.push(resolve));
        const event = held.events[at]!;
        await stream.writeSSE({ event: event.type, data: JSON.stringify(event), id: String(at) });
        if (["done", "failed", "cancelled"].includes(event.type)) return;
      }
    });
  });
  app.get("/api/gallery", (c) => {
    const { search, favourite, deleted, limit = "50" } = c.req.query();
    const found = items.filter(
      (item) =>
        (item.deleted !== null) === (deleted === "true") &&
        (favourite !== "true" || item.favourite) &&
        (!search || item.prompt.includes(search)),
    );
    return c.json({ pictures: found.slice(0, Number(limit)), next: null });
  });
  const item = (id: string) => items.find((each) => each.id === id)!;
  app.get("/api/pictures/:id/info", (c) => c.json(item(c.req.param("id"))));
  for (const [path, size] of [
    ["/api/pictures/:id", 256],
    ["/api/pictures/:id/thumbnail", 192],
  ] as const) {
    app.get(path, async (c) => {
      const bytes = await png(item(c.req.param("id")).seed, size);
      return c.body(new Uint8Array(bytes), 200, { "content-type": "image/png" });
    });
  }
  app.patch("/api/pictures/:id", async (c) => {
    return c.json(Object.assign(item(c.req.param("id")), await c.req.json()));
  });
  app.delete("/api/pictures/:id", (c) =>
    c.json(Object.assign(item(c.req.param("id")), { deleted: new Date().toISOString() })),
  );
  app.post("/api/pictures/:id/restore", (c) => c.json(Object.assign(item(c.req.param("id")), { deleted: null })));
  app.get("*", async (c) => {
    const path = normalize(`/${new URL(c.req.url).pathname}`);
    const file = extname(path) ? join(page, path) : join(page, "index.html");
    return c.body(new Uint8Array(await readFile(file)), 200, {
      "content-type": TYPES[extname(file)] ?? "application/octet-stream",
    });
  });

  const server = await new Promise<ServerType>((resolve) => {
    const made = serve({ fetch: app.fetch, port, hostname: "127.0.0.1" }, () => resolve(made));
  });
  const address = server.address() as { port: number };
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
