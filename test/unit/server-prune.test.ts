/** What is forgotten of jobs that have ended, and what never is. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { encodePicture } from "../../src/image/index.ts";
import type { DrawnSettings } from "../../src/server/schema/draw.ts";
import { closeDatabase, type Db, openDatabase } from "../../src/server/store/database.ts";
import { createJobStore, type JobStore } from "../../src/server/store/jobs.ts";
import { createUploadStore } from "../../src/server/store/uploads.ts";
import { type TestServer, type TestServerOptions, temporaryFolder, testServer } from "../support/server.ts";

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});
function folder(): string {
  const path = temporaryFolder();
  closers.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const day = (n: number): string => new Date(Date.UTC(2030, 0, n)).toISOString();

describe("rows of jobs", () => {
  function jobsOf(): { readonly store: JobStore; add(id: string, end?: number, key?: string): void; ids(): string[] } {
    const db = openDatabase(folder());
    closers.push(() => closeDatabase(db));
    const store = createJobStore(db);
    const settings = { prompt: "x" } as DrawnSettings;
    return {
      store,
      add(id, end, idempotencyKey) {
        const job = { id, client: "a", request: { prompt: "x" }, settings, model: "m", fingerprint: id };
        store.insert({ ...job, created: day(1), ...(idempotencyKey && { idempotencyKey }) });
        if (end === undefined) return;
        store.begin(id, day(1));
        store.end(id, "done", day(end));
      },
      ids: () => store.list({ limit: 100 }).map(({ id }) => id),
    };
  }
  const query = { endedBefore: day(10), keysBefore: day(0), most: 100, batch: 100 };

  it("go when they ended long ago; those that wait or are drawn stay", () => {
    const { store, add, ids } = jobsOf();
    add("old", 9);
    add("young", 11);
    add("waiting");
    add("running");
    store.begin("running", day(1));
    expect([store.prune(query), ids()]).toEqual([1, ["running", "waiting", "young"]]);
    expect(store.prune(query)).toBe(0);
  });

  it("go when there are too many, the oldest first, a batch at a time", () => {
    const { store, add, ids } = jobsOf();
    add("waiting");
    for (let i = 0; i < 7; i++) add(`job ${i}`, 20);
    expect(store.prune({ ...query, most: 2, batch: 3 })).toBe(3);
    expect(store.prune({ ...query, most: 2, batch: 3 })).toBe(2);
    expect(ids()).toEqual(["job 6", "job 5", "waiting"]);
  });

  it("stay as long as a key stands for them; a key that is forgotten may come again", () => {
    const { store, add, ids } = jobsOf();
    add("first", 5, "key 1");
    add("second", 8, "key 2");
    const later = { ...query, keysBefore: day(6), most: 0 };
    expect([store.prune(later), ids()]).toEqual([1, ["second"]]);
    expect([store.byKey("a", "key 1"), store.byKey("a", "key 2")?.job.id]).toEqual([undefined, "second"]);
    add("third", 12, "key 1");
    expect(store.byKey("a", "key 1")?.job.id).toBe("third");
  });
});

describe("uploads", () => {
  const bytes = Buffer.from("a picture");
  const none = () => new Set<string>();

  it("stay while a request may be about to be stored, and as long as a job uses them", async () => {
    let time = 0;
    const uploads = createUploadStore(folder(), () => time);
    for (const name of ["written", "read", "used", "left"]) await uploads.write(`${name}.bin`, bytes);
    expect(await uploads.prune(none)).toBe(0);
    time = 3_000_000;
    await uploads.read("read.bin");
    time = 4_000_000;
    expect(await uploads.prune(() => new Set(["used"]))).toBe(2);
    expect((await uploads.names()).sort()).toEqual(["read.bin", "used.bin"]);
  });

  it("that come again while they are removed are there in the end", async () => {
    const path = folder();
    for (let i = 0; i < 50; i++) {
      await createUploadStore(path).write("a.bin", bytes);
      const uploads = createUploadStore(path);
      // It comes when the removal has just been begun.
      let written: Promise<void> | undefined;
      const pruned = uploads.prune(() => {
        queueMicrotask(() => {
          written = uploads.write("a.bin", bytes);
        });
        return none();
      });
      expect(await pruned).toBe(1);
      await written;
      expect(await uploads.names()).toEqual(["a.bin"]);
    }
  });
});

describe("a server", () => {
  async function open(options: TestServerOptions): Promise<TestServer> {
    const server = await testServer(options);
    closers.push(() => server.stop().catch(() => {}));
    return server;
  }
  const change = (data: string, work: (db: Db) => void): void => {
    const db = openDatabase(data);
    work(db);
    closeDatabase(db);
  };
  const imageOf = async () => {
    const png = await encodePicture({ width: 16, height: 24, data: new Uint8Array(3 * 16 * 24) }, "png");
    return { base64: Buffer.from(png).toString("base64") };
  };
  const uploadsOf = (data: string): number => readdirSync(join(data, "uploads")).length;

  it("forgets old jobs and their uploads with the start; their pictures stay", async () => {
    const [data, image] = [folder(), await imageOf()];
    const first = await open({ data });
    const old = await first.until((await first.post({ image })).id, "done");
    const young = await first.until((await first.post({ image, seed: 8 })).id, "done");
    await first.stop();
    const ended = (id: string, days: number) => {
      const time = new Date(Date.now() - days * 24 * 3_600_000).toISOString();
      change(data, (db) => db.prepare("UPDATE jobs SET finished = ? WHERE id = ?").run(time, id));
    };
    ended(old.id, 31);
    const second = await open({ data });
    expect((await second.ask("GET", `/api/jobs/${old.id}`)).status).toBe(404);
    expect((await second.ask("GET", old.pictures[0]!.url)).status).toBe(200);
    expect((await second.ask("GET", `/api/jobs/${young.id}`)).status).toBe(200);
    // The other job starts from the same picture.
    expect(uploadsOf(data)).toBe(1);
    await second.stop();
    ended(young.id, 3);
    const third = await open({ data, keepJobs: 2 });
    expect([uploadsOf(data), third.services.jobs.list({}).jobs]).toEqual([0, []]);
    expect(readdirSync(join(data, "pictures"))).toHaveLength(2);
  });

  it("that was killed between rows and files has nothing left the next time", async () => {
    const [data, image] = [folder(), await imageOf()];
    const first = await open({ data });
    await first.until((await first.post({ image })).id, "done");
    await first.stop();
    change(data, (db) => db.prepare("DELETE FROM jobs").run());
    expect(uploadsOf(data)).toBe(1);
    await open({ data });
    expect([uploadsOf(data), readdirSync(join(data, "pictures")).length]).toEqual([0, 1]);
  });
});
