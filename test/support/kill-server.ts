/** Kills a real server again and again while it is asked to draw, and looks at what is left. */
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readMetadata } from "../../src/image/index.ts";
import type { DrawRequest, GalleryItem, GalleryPage, Job } from "../../src/server/index.ts";
import { inferenceProcess, model, type Running, start } from "./binary.ts";

/** What is killed: the server, or the process that computes for it. */
export type Victim = "server" | "inference process";

export interface Attack {
  readonly victim: Victim;
  /** Milliseconds after the server says that it listens. */
  readonly after: number;
}

export interface Toll {
  readonly kills: Readonly<Record<Victim, number>>;
  /** Requests that were answered with 201, and those whose answer never came and that were sent again with their key. */
  readonly accepted: number;
  readonly resent: number;
  /** Jobs that were begun more than once. */
  readonly begunAgain: number;
  readonly pictures: number;
  /** What should not be; each is a sentence. */
  readonly losses: readonly string[];
}

export interface ServedBy extends Running {
  readonly url: string;
}

/** Starts `inkling serve` with a tiny model on a free port. */
export async function startServing(
  data: string,
  cwd: string,
  more: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<ServedBy> {
  const args = ["serve", "--port", "0", "--data", data, "--model", model, "--log-level", "warn", ...more];
  const running = start(args, { cwd, env });
  let said = "";
  running.child.stdout!.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await running.until("http://");
  while (!said.includes("\n")) await sleep(2);
  return { ...running, url: said.trim() };
}

/** Asks for JSON. */
export async function ask<T>(
  url: string,
  method = "GET",
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<T> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await fetch(url, { method, ...json, headers: { "content-type": "application/json", ...headers } });
  if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}

/**
 * For each attack: starts the server, sends requests (and again those that were not answered), and kills. In the end all jobs
 * are let finish, and everything that was ever promised is looked for.
 */
export async function attack(data: string, cwd: string, attacks: readonly Attack[]): Promise<Toll> {
  const requests = new Map<string, DrawRequest>();
  const accepted = new Map<string, Job>();
  const finished = new Map<string, string>();
  const kills: Record<Victim, number> = { server: 0, "inference process": 0 };
  let resent = 0;

  const send = async (url: string, key: string): Promise<void> => {
    const job = await ask<Job>(`${url}/api/jobs`, "POST", requests.get(key), { "idempotency-key": key });
    accepted.set(key, job);
  };
  /** Sends what was not answered before, then one new request after another, and notes what is finished. */
  const pester = async (url: string): Promise<void> => {
    for (const key of [...requests.keys()].filter((each) => !accepted.has(each))) {
      resent++;
      await send(url, key);
    }
    for (let i = 0; ; i++) {
      const key = `request ${requests.size}`;
      const size = { width: 64, height: 64, steps: 3, sampler: "Euler a" };
      requests.set(key, { prompt: `picture ${requests.size}`, ...size, count: 1 + (i % 3) });
      await send(url, key);
      for (const picture of await galleryOf(url)) {
        if (finished.has(picture.id)) continue;
        const bytes = await (await fetch(url + picture.url)).arrayBuffer();
        finished.set(picture.id, hashOf(new Uint8Array(bytes)));
      }
      await sleep(400);
    }
  };

  for (const { victim, after } of attacks) {
    const serving = await startServing(data, cwd);
    const pestering = pester(serving.url).catch(() => {});
    await sleep(after);
    if (victim === "inference process") {
      process.kill(await inferenceProcess(serving), "SIGKILL");
      kills[victim]++;
      await sleep(500);
    }
    serving.child.kill("SIGKILL");
    if (victim === "server") kills.server++;
    await serving.finished;
    await pestering;
  }

  const serving = await startServing(data, cwd);
  try {
    const { url } = serving;
    for (const key of [...requests.keys()].filter((each) => !accepted.has(each))) {
      resent++;
      await send(url, key);
    }
    const jobs = new Map<string, Job>();
    for (const [key, { id }] of accepted) jobs.set(key, await endOf(url, id));
    return {
      kills,
      accepted: accepted.size,
      resent,
      ...(await look(url, data, { requests, accepted, finished, jobs })),
    };
  } finally {
    serving.child.kill("SIGTERM");
    await serving.finished;
  }
}

interface Promised {
  readonly requests: ReadonlyMap<string, DrawRequest>;
  readonly accepted: ReadonlyMap<string, Job>;
  /** Pictures that were seen, with the hashes of their files. */
  readonly finished: ReadonlyMap<string, string>;
  readonly jobs: ReadonlyMap<string, Job>;
}

async function look(url: string, data: string, { requests, accepted, finished, jobs }: Promised) {
  const losses: string[] = [];
  let wanted = 0;
  for (const [key, job] of jobs) {
    const { count = 1 } = requests.get(key)!;
    wanted += count;
    const { id, state, pictures, settings } = job;
    if (state !== "done") losses.push(`Job ${id} is ${state}: ${job.error?.message}.`);
    if (settings.seed !== accepted.get(key)!.settings.seed)
      losses.push(`Job ${id} has another seed than it was accepted with.`);
    const seeds = pictures.map(({ seed }) => seed).join();
    const right = Array.from({ length: count }, (_, i) => settings.seed + i).join();
    if (seeds !== right) losses.push(`Job ${id} has pictures of the seeds ${seeds}, not ${right}.`);
  }
  const gallery = await galleryOf(url);
  if (gallery.length !== wanted) losses.push(`The gallery has ${gallery.length} pictures of ${wanted}.`);
  if (new Set(gallery.map(({ id }) => id)).size !== gallery.length) losses.push("A picture is listed twice.");
  for (const { id, url: path, infotext } of gallery) {
    const bytes = new Uint8Array(await (await fetch(url + path)).arrayBuffer());
    if (readMetadata(bytes, id).infotext !== infotext) losses.push(`Picture ${id} has other settings inside.`);
    if (finished.has(id) && finished.get(id) !== hashOf(bytes)) losses.push(`Picture ${id} has changed.`);
  }
  for (const id of finished.keys()) if (!gallery.some((each) => each.id === id)) losses.push(`Picture ${id} is gone.`);
  const files = readdirSync(join(data, "pictures"));
  if (files.length !== gallery.length) losses.push(`There are ${files.length} files of ${gallery.length} pictures.`);
  const begunAgain = [...jobs.values()].filter(({ attempts }) => attempts > 1).length;
  return { begunAgain, pictures: gallery.length, losses };
}

async function endOf(url: string, id: string): Promise<Job> {
  for (;;) {
    const job = await ask<Job>(`${url}/api/jobs/${id}`);
    if (job.state !== "queued" && job.state !== "running") return job;
    await sleep(20);
  }
}

async function galleryOf(url: string): Promise<GalleryItem[]> {
  const all: GalleryItem[] = [];
  for (let before = ""; ; ) {
    const page = await ask<GalleryPage>(`${url}/api/gallery?limit=200${before}`);
    all.push(...page.pictures);
    if (page.next === null) return all;
    before = `&before=${page.next}`;
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
