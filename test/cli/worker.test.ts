/** `inkling serve --queue` and `inkling worker` as processes, at a real redis-server; all of them killed in turns. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { GalleryPage, Job } from "../../src/server/index.ts";
import { expectOneMessage, model, type Running, run, start, workingFolder } from "../support/binary.ts";
import { ask, startServing } from "../support/kill-server.ts";
import { type RedisOnDisk, startRedisOnDisk } from "../support/redis.ts";

const folder = workingFolder();
const request = { prompt: "a small red house", width: 64, height: 64, steps: 2, seed: 7, sampler: "Euler" };
/** Three pictures, each long enough to be met in the midst of it. */
const long = { ...request, steps: 40, count: 3 };

let redis: RedisOnDisk;
const running: Running[] = [];
beforeEach(async () => {
  redis = await startRedisOnDisk();
});
afterEach(async () => {
  for (const each of running.splice(0)) {
    each.child.kill("SIGKILL");
    await each.finished;
  }
  await redis.close();
});

async function serve(...more: string[]) {
  const serving = await startServing(folder.path("data"), folder.cwd, ["--queue", redis.url, ...more]);
  running.push(serving);
  return serving;
}
async function work(...more: string[]): Promise<Running> {
  const args = ["worker", "--queue", redis.url, "--model", model, "--lease", "1", ...more];
  const worker = start(args, { cwd: folder.cwd });
  running.push(worker);
  await worker.until("takes jobs from");
  return worker;
}
async function kill(victim: Running): Promise<void> {
  victim.child.kill("SIGKILL");
  await victim.finished;
}
const post = (url: string, job: object) => ask<Job>(`${url}/api/jobs`, "POST", job);

async function until(url: string, id: string, is: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const job = await ask<Job>(`${url}/api/jobs/${id}`);
    if (is(job)) return job;
    await sleep(10);
  }
}
const done = (url: string, id: string) => until(url, id, ({ state }) => state === "done");
const drawing = (job: Job): boolean => job.progress !== null;
const bytesOf = async (url: string, id: string): Promise<Buffer> =>
  Buffer.from(await (await fetch(`${url}/api/pictures/${id}`)).arrayBuffer());

describe("inkling worker", () => {
  it("draws what the command line draws, bit for bit, and tells it step by step, with previews for those who watch", async () => {
    const drawn = ["generate", request.prompt, "--model", model, "--size", "64", "--steps", "2", "--seed", "7"];
    const one = await run([...drawn, "--sampler", "Euler", "-o", "one.png"], { cwd: folder.cwd });
    expect(one.code).toBe(0);
    const { url } = await serve();
    const { id } = await post(url, request);
    expect(await ask<Job>(`${url}/api/jobs/${id}`)).toMatchObject({ state: "queued", position: 0 });
    const worker = await work();
    const events = await (await fetch(`${url}/api/jobs/${id}/events`)).text();
    expect(events).toMatch(/event: start\n.*event: image\n.*event: done\n/s);
    expect((await bytesOf(url, `${id}-0`)).equals(readFileSync(folder.path("one.png")))).toBe(true);

    // From its bytes, which lie in the server's data folder alone.
    const image = { base64: readFileSync(folder.path("one.png")).toString("base64") };
    const again = await post(url, { ...request, steps: 150, image, strength: 1 });
    const watched = await (await fetch(`${url}/api/jobs/${again.id}/events`)).text();
    expect(watched).toMatch(/event: step\n.*"preview":"data:image\/png;base64,.*event: done\n/s);
    worker.child.kill("SIGTERM");
    expect((await worker.finished).code).toBe(143);
  });

  it("keeps the turns of clients, and tells places, though what lies ready at Redis is first", async () => {
    const { url } = await serve();
    const ids: string[] = [];
    for (const name of ["a1", "a2", "a3", "a4", "b1"]) {
      const job = { ...request, prompt: name };
      ids.push((await ask<Job>(`${url}/api/jobs`, "POST", job, { "x-client": name[0]! })).id);
    }
    const jobs = () => Promise.all(ids.map((id) => ask<Job>(`${url}/api/jobs/${id}`)));
    expect((await jobs()).map(({ position }) => position)).toEqual([0, 1, 2, 4, 3]);
    await work();
    for (const id of ids) await done(url, id);
    const begun = (await jobs()).sort((one, other) => one.started!.localeCompare(other.started!));
    expect(begun.map(({ settings }) => settings.prompt)).toEqual(["a1", "a2", "a3", "b1", "a4"]);
  });

  it("killed in the midst of a job leaves it to another one, and each picture is there once", async () => {
    const { url } = await serve();
    const first = await work();
    const { id } = await post(url, long);
    await until(url, id, (job) => job.pictures.length > 0 && drawing(job));
    await kill(first);
    await work();
    const job = await done(url, id);
    expect(job.attempts).toBe(2);
    expect(job.pictures.map(({ seed }) => seed)).toEqual([7, 8, 9]);
    const { pictures } = await ask<GalleryPage>(`${url}/api/gallery`);
    expect(pictures).toHaveLength(3);
  });

  it("lets go of a cancelled job, wherever it is, and goes on with the next", async () => {
    const { url } = await serve();
    const worker = await work();
    const cancel = (id: string) => ask<Job>(`${url}/api/jobs/${id}`, "DELETE");
    const [endless, waiting, far, last] = [
      await post(url, { ...request, steps: 990, count: 8 }),
      await post(url, request),
      await post(url, request),
      await post(url, request),
    ];
    await until(url, endless.id, drawing);
    expect((await ask<Job>(`${url}/api/jobs/${far.id}`)).position).toBe(1);
    for (const { id } of [waiting, far, endless]) expect((await cancel(id)).state).toBe("cancelled");
    await worker.until('"outcome":"cancelled"');
    expect((await done(url, last.id)).attempts).toBe(1);
    for (const { id } of [endless, waiting, far]) {
      expect(await ask<Job>(`${url}/api/jobs/${id}`)).toMatchObject({ state: "cancelled", pictures: [] });
    }
  });

  it("stopped puts back what takes too long; the next goes on with the picture that is missing", async () => {
    const { url } = await serve();
    const first = await work("--grace", "0");
    const { id } = await post(url, long);
    await until(url, id, (job) => job.pictures.length > 0 && drawing(job));
    first.child.kill("SIGTERM");
    expect((await first.finished).code).toBe(143);
    expect(await until(url, id, ({ state }) => state === "queued")).toMatchObject({ position: 0, attempts: 1 });
    const second = await work();
    await done(url, id);
    await second.until(`"job":"${id}"`);
    expect((await ask<GalleryPage>(`${url}/api/gallery`)).pictures).toHaveLength(3);
  });

  it("goes on while the server is away, which is killed, finds what was drawn, and begins nothing again", async () => {
    const serving = await serve();
    const worker = await work();
    const { id } = await post(serving.url, long);
    await post(serving.url, request);
    await until(serving.url, id, drawing);
    await kill(serving);
    await worker.until('"outcome":"done"');
    const { url } = await serve();
    const { jobs } = await ask<{ jobs: Job[] }>(`${url}/api/jobs`);
    for (const each of jobs) {
      const job = await done(url, each.id);
      expect([job.attempts, job.pictures.length]).toEqual([1, job.settings.count]);
    }
    expect(jobs).toHaveLength(2);
  });

  it("draws again what Redis lost: a picture on its way, or all that it had", async () => {
    const serving = await serve();
    const worker = await work();
    const { id } = await post(serving.url, { ...request, steps: 40, count: 2 });
    await until(serving.url, id, drawing);
    await kill(serving);
    await worker.until('"outcome":"done"');
    const client = new Redis(redis.url);
    const [stream] = await client.keys("*:reports");
    for (const [entry, fields] of await client.xrange(stream!, "-", "+")) {
      if (fields[1]!.includes('"index":0')) await client.xdel(stream!, entry);
    }
    const { url } = await serve();
    expect((await done(url, id)).pictures.map(({ seed }) => seed)).toEqual([7, 8]);

    await kill(worker);
    const waits = await post(url, request);
    await client.flushall();
    client.disconnect();
    await redis.kill();
    await redis.start();
    await work();
    expect((await done(url, waits.id)).pictures).toHaveLength(1);
    expect((await ask<GalleryPage>(`${url}/api/gallery`)).pictures).toHaveLength(3);
  });

  it("server and worker come back when Redis does, with what was accepted meanwhile", async () => {
    const { url } = await serve();
    const worker = await work();
    const first = await post(url, long);
    await until(url, first.id, drawing);
    await redis.kill();
    const second = await post(url, request);
    const third = await post(url, { ...request, seed: 1 });
    expect((await ask<Job>(`${url}/api/jobs/${third.id}`, "DELETE")).state).toBe("cancelled");
    await worker.until("Redis is away");
    await redis.start();
    for (const { id } of [first, second]) {
      const job = await done(url, id);
      expect(job.pictures).toHaveLength(job.settings.count);
    }
    expect((await ask<GalleryPage>(`${url}/api/gallery`)).pictures).toHaveLength(4);
  });
});

describe("--queue", () => {
  it("says what Redis could lose, and keeps passwords to itself", async () => {
    const open = await serve();
    expect(open.child.exitCode).toBeNull();
    await kill(open);
    expect((await open.finished).stderr).toBe("");

    const forgetful = await startRedisOnDisk("--appendonly", "no", "--requirepass", "s3cret");
    try {
      const url = (user: string) => `redis://${user}@127.0.0.1:${forgetful.port}`;
      const env = { INKLING_QUEUE: url(":s3cret") };
      const args = ["serve", "--port", "0", "--data", "data", "--model", model];
      const warned = start(args, { cwd: folder.cwd, env });
      running.push(warned);
      await warned.until("listening");
      await kill(warned);
      const { said, stderr } = await warned.finished;
      expect(said.find((line) => line.includes("appendonly no"))).toContain(`127.0.0.1:${forgetful.port}`);
      expect(stderr).not.toContain("s3cret");
      for (const command of [args, ["worker", "--model", model]]) {
        const refused = await run([...command, "--queue", url("anna:s3crets")], { cwd: folder.cwd });
        const words = expectOneMessage(refused, "There is no Redis server at redis://127.0.0.1", "WRONGPASS");
        expect([refused.code, words.includes("s3cret")]).toEqual([1, false]);
      }
    } finally {
      await forgetful.close();
    }
  });

  it("is a URL of Redis, and a worker needs one", async () => {
    const wrong = await run(["serve", "--data", "data", "--queue", "rdis://:s3cret@host"], { cwd: folder.cwd });
    expect(wrong.code).toBe(2);
    expect(expectOneMessage(wrong, "--queue is a URL such as redis://host:6379")).not.toContain("s3cret");
    const none = await run(["worker"], { cwd: folder.cwd });
    expect(none.code).toBe(2);
    expectOneMessage(none, "say where the jobs are", "INKLING_QUEUE");
  });

  it("a worker without the model that a job wants ends, and leaves the job to others", async () => {
    const { url } = await serve();
    const other = start(["worker", "--queue", redis.url], { cwd: folder.cwd });
    running.push(other);
    await other.until("takes jobs from");
    const { id } = await post(url, request);
    const { code, said } = await other.finished;
    expect(code).toBe(1);
    expect(said.at(-1)).toMatch(/^inkling: A job wants the model .*, which this worker does not have/);
    await work();
    expect((await done(url, id)).pictures).toHaveLength(1);
  });
});
