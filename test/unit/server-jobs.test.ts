import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { encodePicture, readMetadata } from "../../src/image/index.ts";
import type { Job, JobList, Problem } from "../../src/server/index.ts";
import { createFairLine } from "../../src/server/jobs/fair-line.ts";
import { closeDatabase, openDatabase } from "../../src/server/store/database.ts";
import { InputError } from "../../src/tensor/index.ts";
import { eventsOf, SMALL, temporaryFolder, testServer, testServers } from "../support/server.ts";

const open = testServers();

const asProblem = async (answer: Response) => (await answer.json()) as Problem;

describe("a job", () => {
  it("is accepted with its seed settled, drawn, and kept with its settings inside", async () => {
    const { ask, until } = await open();
    const { seed: _, ...unseeded } = SMALL;
    const answer = await ask("POST", "/api/jobs", { ...unseeded, count: 2 });
    expect(answer.status).toBe(201);
    const job = (await answer.json()) as Job;
    expect(answer.headers.get("location")).toBe(`/api/jobs/${job.id}`);
    expect(job.request.seed).toBe(job.settings.seed);
    const done = await until(job.id, "done");
    expect(done.pictures.map(({ index, seed }) => [index, seed])).toEqual([
      [0, job.settings.seed],
      [1, job.settings.seed + 1],
    ]);
    const file = await ask("GET", done.pictures[1]!.url);
    expect(file.headers.get("content-type")).toBe("image/png");
    const { infotext } = readMetadata(new Uint8Array(await file.arrayBuffer()), "it");
    expect(infotext).toBe(done.pictures[1]!.infotext);
    expect(infotext).toContain(`Seed: ${job.settings.seed + 1}`);
    const small = await ask("GET", done.pictures[0]!.thumbnail);
    expect([small.status, small.headers.get("content-type")]).toEqual([200, "image/webp"]);
  });

  it.each([
    [{ steps: 0 }, "steps"],
    [{ steps: 5000 }, "steps"],
    [{ width: 17 }, "width"],
    [{ prompt: "x".repeat(10_001) }, "prompt"],
    [{ stepz: 4 }, "stepz"],
    [{ sampler: "Eular" }, "Eular"],
    [{ model: "/etc/passwd" }, "/etc/passwd"],
    [{ goal: "quik" }, "quik"],
    [{ adapters: [{ name: "../../secret" }] }, "adapter"],
    [{ strength: 0.5 }, "strength"],
    [{ image: { picture: "../inkling.db" } }, "image"],
    [{ image: { upload: "0".repeat(64) } }, "image"],
    [{ image: { base64: Buffer.from("GIF89a").toString("base64") } }, "GIF"],
    [{ count: 64, bestOf: 2 }, "64"],
    [{ prompt: Array(40).fill("cat").join(" AND ") }, "AND"],
    [{ prompt: "(cat:1e999)" }, "prompt"],
    [{ prompt: `[a|b][a|b|c][a|b|c|d|e][a|b|c|d|e|f|g][1|2|3|4|5|6|7|8|9|0|1]`, steps: 1000 }, "texts"],
  ])("wrong request %# is refused before anything is stored", async (wrong, words) => {
    const { ask, services, data } = await open({ idle: true });
    const answer = await ask("POST", "/api/jobs", { ...SMALL, ...wrong });
    const { error } = await asProblem(answer);
    expect([answer.status, error.code]).toEqual([400, "invalid"]);
    expect(error.message).toContain(words);
    expect(services.jobs.waiting).toBe(0);
    expect(readdirSync(join(data, "uploads"))).toEqual([]);
  });

  it("that fails says why, and can be asked for again", async () => {
    let broken = true;
    const { post, until, ask } = await open({
      fail: () => (broken ? new InputError("The weights are damaged.") : undefined),
    });
    const { id } = await post({});
    const failed = await until(id, "failed");
    expect(failed.error).toEqual({ message: "The weights are damaged." });
    broken = false;
    const again = (await (await ask("POST", `/api/jobs/${id}/retry`)).json()) as Job;
    expect(again).toMatchObject({ retryOf: id, request: failed.request });
    expect((await until(again.id, "done")).pictures).toHaveLength(1);
  });

  it("starts from a picture: of the gallery, or its own bytes, which are kept once", async () => {
    const { post, until, ask, drawing, data } = await open();
    const bytes = await encodePicture({ width: 16, height: 24, data: new Uint8Array(3 * 16 * 24).fill(9) }, "png");
    const base64 = Buffer.from(bytes).toString("base64");
    const first = await post({ image: { base64 }, strength: 0.5 });
    expect(first.request.image).toEqual({ upload: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(first.settings.strength).toBe(0.5);
    const { pictures } = await until(first.id, "done");
    expect(drawing.asked[0]!.image!.data[0]).toBe(9);
    const second = await post({ image: { picture: pictures[0]!.id } });
    await until(second.id, "done");
    expect(drawing.asked[1]!.image!.data[0]).toBe(SMALL.seed);
    await post({ image: { base64 } });
    expect(readdirSync(join(data, "uploads"))).toHaveLength(1);
    expect((await ask("GET", "/api/jobs/nothing")).status).toBe(404);
  });
});

describe("Idempotency-Key", () => {
  const key = { "idempotency-key": "k1" };
  it("gives the same job for the same request, also to two that come at once", async () => {
    const { ask, services } = await open({ idle: true });
    const [first, second] = await Promise.all([
      ask("POST", "/api/jobs", SMALL, key),
      ask("POST", "/api/jobs", SMALL, key),
    ]);
    expect([first.status, second.status].sort()).toEqual([200, 201]);
    expect(((await first.json()) as Job).id).toBe(((await second.json()) as Job).id);
    expect(services.jobs.waiting).toBe(1);
  });

  it("is refused for another request, and is another client's own", async () => {
    const { ask } = await open({ idle: true });
    await ask("POST", "/api/jobs", SMALL, key);
    const other = await ask("POST", "/api/jobs", { ...SMALL, steps: 3 }, key);
    expect([other.status, (await asProblem(other)).error.code]).toEqual([422, "mismatch"]);
    expect((await ask("POST", "/api/jobs", { ...SMALL, steps: 3 }, { ...key, "x-client": "b" })).status).toBe(201);
  });
});

describe("the queue", () => {
  it("lets clients take turns", async () => {
    const { post, drawing, until } = await open();
    drawing.hold();
    const first = await post({ prompt: "held" });
    await until(first.id, "running");
    const own = { a: { "x-client": "a" }, b: { "x-client": "b" } };
    for (const name of ["a1", "a2", "a3"]) await post({ prompt: name }, own.a);
    const b1 = await post({ prompt: "b1" }, own.b);
    // Of two who wait, whoever came first has the first turn.
    expect(b1.position).toBe(1);
    const b2 = await post({ prompt: "b2" }, own.b);
    drawing.release();
    await until(b2.id, "done");
    await new Promise((done) => setTimeout(done, 100));
    expect(drawing.asked.map(({ prompt }) => prompt)).toEqual(["held", "a1", "b1", "a2", "b2", "a3"]);
  });

  it("goes round in a line of its own", () => {
    const line = createFairLine();
    for (const id of ["a1", "a2", "a3"]) line.add("a", id);
    for (const id of ["b1", "c1"]) line.add(id[0]!, id);
    expect(line.order()).toEqual(["a1", "b1", "c1", "a2", "a3"]);
    expect(line.next()).toBe("a1");
    expect(line.order()).toEqual(["b1", "c1", "a2", "a3"]);
    expect([line.remove("b1"), line.remove("b1")]).toEqual([true, false]);
    expect([line.next(), line.next(), line.next(), line.next()]).toEqual(["c1", "a2", "a3", undefined]);
  });

  it("has an end, for one client and for all: 429, and when to come again", async () => {
    const { post, ask } = await open({ idle: true, queue: { jobs: 3, perClient: 2 } });
    await post({});
    await post({});
    const own = await ask("POST", "/api/jobs", SMALL);
    expect(own.status).toBe(429);
    expect(Number(own.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await asProblem(own)).error.message).toContain("2 jobs of yours wait");
    await post({}, { "x-client": "b" });
    const full = await ask("POST", "/api/jobs", SMALL, { "x-client": "c" });
    expect((await asProblem(full)).error).toMatchObject({
      code: "too_many",
      message: expect.stringContaining("3 jobs wait"),
    });
  });

  it("lists jobs page by page, the newest first", async () => {
    const { post, ask } = await open({ idle: true });
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.unshift((await post({})).id);
    const page = async (query: string) => (await (await ask("GET", `/api/jobs?limit=2${query}`)).json()) as JobList;
    const first = await page("");
    expect(first.jobs.map(({ id, position }) => [id, position])).toEqual([
      [ids[0], 4],
      [ids[1], 3],
    ]);
    const second = await page(`&before=${first.next}`);
    const third = await page(`&before=${second.next}`);
    expect([...second.jobs, ...third.jobs].map(({ id }) => id)).toEqual(ids.slice(2));
    expect(third.next).toBeNull();
    expect((await page("&state=done")).jobs).toEqual([]);
  });
});

describe("cancelling", () => {
  it("takes out what waits and stops what is drawn; what is finished stays", async () => {
    const { post, ask, until, drawing, services } = await open();
    drawing.hold();
    const running = await post({ count: 3 });
    const waiting = await post({});
    await until(running.id, "running");
    const cancelled = (await (await ask("DELETE", `/api/jobs/${waiting.id}`)).json()) as Job;
    expect(cancelled.state).toBe("cancelled");
    drawing.release();
    for await (const _ of ticks()) if (services.jobs.get(running.id).pictures.length > 0) break;
    drawing.hold();
    const stopped = (await (await ask("DELETE", `/api/jobs/${running.id}`)).json()) as Job;
    // It may have been faster.
    expect(["cancelled", "done"]).toContain(stopped.state);
    expect(stopped.pictures.length).toBeGreaterThan(0);
    const again = await ask("DELETE", `/api/jobs/${waiting.id}`);
    expect([again.status, (await asProblem(again)).error.code]).toEqual([409, "conflict"]);
    drawing.release();
    await until((await post({})).id, "done");
    expect(drawing.asked).toHaveLength(2);
  });
});

describe("after a stop", () => {
  it("what was drawn is queued again and goes on where it was, to the same pictures", async () => {
    const data = temporaryFolder();
    const first = await open({ data });
    const { id } = await first.post({ count: 4 });
    const next = await first.post({ prompt: "next" });
    for await (const _ of ticks()) if (first.services.jobs.get(id).pictures.length >= 2) break;
    first.drawing.hold();
    // The folder is one server's alone.
    await expect(testServer({ data })).rejects.toThrow(/Another server has/);
    const stopping = first.services.jobs.close(0);
    await stopping;
    const refused = await first.ask("POST", "/api/jobs", SMALL);
    expect([refused.status, (await asProblem(refused)).error.code]).toEqual([503, "stopping"]);
    const { state, pictures } = first.services.jobs.get(id);
    expect(["queued", "done"]).toContain(state);
    await first.stop();

    const second = await open({ data });
    const done = await second.until(id, "done");
    await second.until(next.id, "done");
    expect(done.pictures.map(({ seed, index }) => [seed, index])).toEqual([0, 1, 2, 3].map((i) => [SMALL.seed + i, i]));
    if (state === "queued") {
      expect(second.drawing.asked[0]).toMatchObject({ seed: SMALL.seed + pictures.length, count: 4 - pictures.length });
      expect(done.attempts).toBe(2);
    }
    // As in a first run: each picture once, none that is not in the gallery.
    expect(second.services.gallery.list({ limit: 100 })).toHaveLength(5);
    expect(readdirSync(join(data, "pictures"))).toHaveLength(5);
  });

  it("a job that is cut off whenever it is drawn counts as failed in the end", async () => {
    const data = temporaryFolder();
    const first = await open({ data, idle: true });
    const { id } = await first.post({});
    await first.stop();
    const db = openDatabase(data);
    db.prepare("UPDATE jobs SET state = 'running', attempts = 10 WHERE id = ?").run(id);
    closeDatabase(db);
    const second = await open({ data });
    expect(second.services.jobs.get(id)).toMatchObject({
      state: "failed",
      error: { message: expect.stringContaining("10 times") },
    });
  });
});

describe("what a killed process left", () => {
  it("is swept: temporary files, pictures without a row; never where the database is lost", async () => {
    const data = temporaryFolder();
    const first = await open({ data });
    const { id } = await first.post({});
    await first.until(id, "done");
    await first.stop();
    const at = (name: string) => join(data, "pictures", name);
    for (const name of [`${id}-7.png`, ".inkling-0123.tmp", "strange-0.png"]) writeFileSync(at(name), "x");
    const second = await open({ data });
    expect(readdirSync(join(data, "pictures")).sort()).toEqual([`${id}-0.png`, "strange-0.png"].sort());
    await second.stop();
    rmSync(join(data, "inkling.db"));
    await open({ data });
    expect(existsSync(at(`${id}-0.png`))).toBe(true);
  });
});

describe("watching", () => {
  it("tells all that comes, previews included, and ends with the job", async () => {
    const { post, ask } = await open();
    const { id } = await post({ count: 2 });
    const answer = await ask("GET", `/api/jobs/${id}/events`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const events = await eventsOf(answer);
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === "image")).toHaveLength(2);
    expect(types.at(-1)).toBe("done");
    expect(events.at(-1)!.id).toMatch(/-end$/);
    const step = events.find((event) => event.type === "step");
    if (step?.type === "step") expect(step.preview).toMatch(/^data:image\/png;base64,/);
  });

  it("goes on after Last-Event-ID, says only what was missed, and 204 at the end", async () => {
    const { post, ask, drawing, until } = await open();
    drawing.hold();
    const { id } = await post({ count: 2 });
    await until(id, "running");
    const first = await eventsOf(await ask("GET", `/api/jobs/${id}/events`), 1);
    expect(first[0]!.type).toBe("start");
    drawing.release();
    await until(id, "done");
    const since = (last: string) => ask("GET", `/api/jobs/${id}/events`, undefined, { "last-event-id": last });
    const rest = await eventsOf(await since(first[0]!.id));
    expect(rest.map(({ type }) => type)).toEqual(["image", "image", "done"]);
    const one = await eventsOf(await since(rest[0]!.id));
    expect(one.map(({ type }) => type)).toEqual(["image", "done"]);
    expect((await since(rest.at(-1)!.id)).status).toBe(204);
  });

  it("does not repeat pictures after a restart", async () => {
    const data = temporaryFolder();
    const first = await open({ data });
    const { id } = await first.post({ count: 2 });
    const events = await eventsOf(await first.ask("GET", `/api/jobs/${id}/events`));
    const seen = events.find(({ type }) => type === "image")!;
    await first.stop();
    const second = await open({ data });
    const rest = await eventsOf(
      await second.ask("GET", `/api/jobs/${id}/events`, undefined, { "last-event-id": seen.id }),
    );
    expect(rest.map((event) => (event.type === "image" ? event.picture.index : event.type))).toEqual([1, "done"]);
  });

  it("by a hundred computes nothing twice; who reads nothing gets the last step alone", async () => {
    const { post, ask, drawing, until, services } = await open();
    drawing.hold();
    const { id } = await post({ steps: 300 });
    await until(id, "running");
    const watchers = Array.from({ length: 100 }, () => services.jobs.watch(id)!);
    const start = await Promise.all(watchers.map((watcher) => watcher.next()));
    expect(new Set(start).size).toBe(1);
    const deaf = await ask("GET", `/api/jobs/${id}/events`);
    drawing.release();
    await until(id, "done");
    const last: (string | undefined)[][] = [];
    for (const watcher of watchers) {
      const types: (string | undefined)[] = [];
      for (let frame = await watcher.next(); frame; frame = await watcher.next()) {
        types.push(frame.event.type);
        // One and the same bytes for all.
        expect(frame.bytes()).toBe(frame.bytes());
      }
      watcher.close();
      last.push(types);
    }
    expect(new Set(last.map((types) => types.join()))).toEqual(new Set(["image,done"]));
    expect((await eventsOf(deaf)).map(({ type }) => type)).toEqual(["start", "image", "done"]);
    expect(services.jobs.watchers).toBe(0);
  });

  it("of a job that waits tells its place, and signs of life", async () => {
    const { post, ask, drawing, until } = await open();
    drawing.hold();
    const first = await post({});
    await until(first.id, "running");
    const second = await post({});
    const third = await post({});
    const reader = (await ask("GET", `/api/jobs/${third.id}/events`))
      .body!.pipeThrough(new TextDecoderStream())
      .getReader();
    let text = "";
    const untilText = async (words: string) => {
      while (!text.includes(words)) {
        const { value, done } = await reader.read();
        if (done) throw new Error(`It ended without ${words}: ${text}`);
        text += value;
      }
    };
    await untilText('"position":1');
    await untilText(": still here");
    await ask("DELETE", `/api/jobs/${second.id}`);
    await untilText('"position":0');
    drawing.release();
    await untilText("event: done");
    await reader.cancel();
  });

  it("says how long it takes: what is left of the job that is drawn, and then what its own pictures take", async () => {
    const { post, ask, drawing, until } = await open();
    const left = async (id: string) => ((await (await ask("GET", `/api/jobs/${id}`)).json()) as Job).secondsLeft;
    drawing.hold();
    const first = await post({});
    await until(first.id, "running");
    // Nothing was seen drawing yet.
    expect(await left(first.id)).toBeNull();
    expect(await left((await post({})).id)).toBeNull();
    drawing.release();
    const before = await post({});
    await until(before.id, "done");
    drawing.hold();
    const drawn = await post({});
    await until(drawn.id, "running");
    // One step, which says that a second is left (and pictures say that they took 0.1).
    drawing.release();
    drawing.hold();
    for await (const _ of ticks()) if ((await left(drawn.id)) !== null) break;
    expect(await left(drawn.id)).toBe(1);
    const next = await post({});
    const last = await post({ steps: 6, count: 2 });
    expect(await left(next.id)).toBeCloseTo(1 + 0.1);
    expect(await left(last.id)).toBeCloseTo(1 + 0.1 + 2 * 0.3);
    const [told] = await eventsOf(await ask("GET", `/api/jobs/${last.id}/events`), 1);
    expect(told).toMatchObject({ type: "queued", position: 1, secondsLeft: expect.closeTo(1.7) });
  });

  it("ends when the server stops, which is not the job's last word", async () => {
    const { post, ask, drawing, until, stop } = await open();
    drawing.hold();
    const first = await post({});
    await until(first.id, "running");
    const { id } = await post({});
    const events = eventsOf(await ask("GET", `/api/jobs/${id}/events`));
    await new Promise((done) => setTimeout(done, 50));
    await stop();
    const told = await events;
    expect(told.at(-1)!.type).toBe("stopping");
    expect(told.at(-1)!.id).not.toMatch(/-end$/);
  });
});

async function* ticks(): AsyncGenerator<void> {
  for (const limit = Date.now() + 20_000; Date.now() < limit; ) {
    yield;
    await new Promise((done) => setImmediate(done));
  }
  throw new Error("It never came.");
}
