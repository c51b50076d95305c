/** The server in this process: its models' settings are real, what draws is a stand-in that can be held. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach } from "vitest";
import type { Picture } from "../../src/image/index.ts";
import type { GenerateEvent, GenerateSettings } from "../../src/pipelines/index.ts";
import type { Keys } from "../../src/server/access/keys.ts";
import { createApp } from "../../src/server/app.ts";
import type { DrawRequest, Job, JobEvent } from "../../src/server/index.ts";
import type { Drawer } from "../../src/server/jobs/draw-job.ts";
import { createModels, servedModels } from "../../src/server/models.ts";
import { openServices, type ServiceOptions } from "../../src/server/open-services.ts";
import type { App, Services } from "../../src/server/services.ts";
import { plainCheckpoint } from "./checkpoints.ts";

export interface FakeDrawing {
  /** What was asked for, drawing by drawing. */
  readonly asked: GenerateSettings[];
  /** Drawings wait before each step until it is let go. */
  hold(): void;
  release(): void;
}

export interface TestServer extends Disposable {
  readonly app: App;
  readonly services: Services;
  readonly drawing: FakeDrawing;
  readonly data: string;
  /** A request as a client on this machine makes it; `body` as JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>;
  post(request: Partial<DrawRequest>, headers?: Record<string, string>): Promise<Job>;
  /** Resolves when a job is in one of these states. */
  until(id: string, ...states: Job["state"][]): Promise<Job>;
  stop(graceSeconds?: number): Promise<void>;
}

export interface TestServerOptions extends Partial<ServiceOptions> {
  readonly keys?: Keys;
  /** Jobs are accepted and not drawn. */
  readonly idle?: boolean;
  readonly fail?: (settings: GenerateSettings) => Error | undefined;
  /** What each step shows. Default: a few pixels, darker or lighter with the step. */
  readonly preview?: Picture;
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "inkling-server-"));
}

/** What opens servers that are stopped, and whose folders go, after each test. */
export function testServers(defaults?: TestServerOptions): (options?: TestServerOptions) => Promise<TestServer> {
  const servers: TestServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) {
      await server.stop().catch(() => {});
      server[Symbol.dispose]();
    }
  });
  return async (options) => {
    const server = await testServer({ ...defaults, ...options });
    servers.push(server);
    return server;
  };
}

export async function testServer(options: TestServerOptions = {}): Promise<TestServer> {
  const data = options.data ?? temporaryFolder();
  const drawing = fakeDrawing(options);
  const served = await servedModels([plainCheckpoint.folder], {});
  const models = { ...createModels({ served, load: {}, keep: 1 }), open: async () => drawing.drawer };
  const log = options.log ?? pino({ level: "silent" });
  const opened = await openServices(models, options.keys, { heartbeat: 0.05, ...options, data, log });
  const app = createApp(opened.services);
  if (!options.idle) await opened.services.jobs.start();
  const ask: TestServer["ask"] = async (method, path, body, headers = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const own: Record<string, string> = { host: "localhost:7860", ...headers };
    if (body !== undefined) own["content-type"] ??= "application/json";
    return app.request(path, { method, ...json, headers: own });
  };
  const server: TestServer = {
    app,
    services: opened.services,
    drawing,
    data,
    ask,
    async post(request, headers) {
      const answer = await ask("POST", "/api/jobs", { ...SMALL, ...request }, headers);
      if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
      return (await answer.json()) as Job;
    },
    async until(id, ...states) {
      for (const limit = Date.now() + 20_000; Date.now() < limit; ) {
        const job = opened.services.jobs.get(id);
        if (states.includes(job.state)) return job;
        await new Promise((done) => setTimeout(done, 5));
      }
      throw new Error(`The job never was ${states.join(" or ")}.`);
    },
    async stop(graceSeconds = 0) {
      drawing.release();
      await opened.stop(graceSeconds);
      await opened.close();
    },
    [Symbol.dispose]() {
      rmSync(data, { recursive: true, force: true });
    },
  };
  return server;
}

/** A picture in no time. */
export const SMALL = { prompt: "a cat", width: 16, height: 24, steps: 2, seed: 7, sampler: "Euler" };

/** The events of a stream: all of them, or the first so many. */
export async function eventsOf(
  answer: Response,
  count = Number.POSITIVE_INFINITY,
): Promise<(JobEvent & { id: string })[]> {
  const events: (JobEvent & { id: string })[] = [];
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (events.length < count) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s)),
      );
      text = text.slice(end + 2);
      if (fields.data) events.push({ ...JSON.parse(fields.data), id: fields.id });
    }
  }
  await reader.cancel();
  return events.slice(0, count);
}

function fakeDrawing({ fail, preview: shown }: TestServerOptions): FakeDrawing & { readonly drawer: Drawer } {
  const asked: GenerateSettings[] = [];
  let held: Promise<void> | undefined;
  let release = (): void => {};
  const drawer: Drawer = {
    model: plainCheckpoint.name,
    async *stream(settings) {
      asked.push(settings);
      const { width = 16, height = 16, steps = 2, count = 1, seed = 0, signal } = settings;
      const aborted = new Promise<never>((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      });
      aborted.catch(() => {});
      const error = fail?.(settings);
      if (error) throw error;
      for (let picture = 0; picture < count; picture++) {
        for (let call = 0; call < steps; call++) {
          await Promise.race([held ?? new Promise((done) => setImmediate(done)), aborted]);
          signal?.throwIfAborted();
          const preview = shown ?? { width: 2, height: 3, data: new Uint8Array(18).fill(40 * call) };
          const step = { type: "step", picture, call, calls: steps, timestep: 999, sigma: 14, preview, secondsLeft: 1 };
          yield step as unknown as GenerateEvent;
        }
        yield { type: "decode", picture, secondsLeft: 0.5 };
        // Its pixels tell its seed.
        const image = { width, height, data: new Uint8Array(3 * width * height).fill((seed + picture) % 256) };
        const own = {
          negativePrompt: "",
          rng: "cpu",
          ...settings,
          width,
          height,
          steps,
          count: 1,
          seed: seed + picture,
        };
        const drawn = {
          type: "image",
          picture,
          image,
          settings: { ...own, model: plainCheckpoint.name },
          seconds: 0.1,
        };
        yield drawn as unknown as GenerateEvent;
      }
    },
    close: async () => {},
  };
  return {
    asked,
    drawer,
    hold() {
      held ??= new Promise((resolve) => {
        release = resolve;
      });
    },
    release() {
      held = undefined;
      release();
    },
  };
}
