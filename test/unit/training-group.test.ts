/** Several processes that learn together, here as several callers of one: what they exchange goes by a real Redis server. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Runtime } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator } from "../../src/tensor/index.ts";
import { groupOver } from "../../src/training/collectives.ts";
import { type Group, type TrainEvent, type TrainSettings, train } from "../../src/training/index.ts";
import { openRedisPost, type RedisPost } from "../../src/training/redis-post.ts";
import { type RedisServer, startRedisServer } from "../../src/training/redis-server.ts";
import { checkSameWeights } from "../../src/training/same-weights.ts";
import { sharedDraws } from "../../src/training/share.ts";
import { ends } from "../support/binary.ts";
import { readTensors } from "../support/fixtures.ts";
import { line, pixels } from "../support/line-lesson.ts";

let server: RedisServer;
let folder = "";
const posts: RedisPost[] = [];
beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(() => server.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-group-"));
});
afterEach(async () => {
  for (const post of posts.splice(0)) await post.close();
  await rm(folder, { recursive: true });
});

async function groupOf(
  size: number,
  { piece, signal }: { piece?: number; signal?: AbortSignal } = {},
): Promise<Group[]> {
  const name = `test-${Math.random()}`;
  for (let rank = 0; rank < size; rank++) {
    posts.push(await openRedisPost({ address: server.address, name, rank, size, signal }));
  }
  return posts.slice(-size).map((post) => groupOver(post, piece));
}

describe("a group", () => {
  it.each([
    [2, 10, 4],
    [3, 1001, 100],
    [4, 3, 2],
  ])("of %i adds up %i numbers in pieces of %i, the same bits for all", async (size, length, piece) => {
    const group = await groupOf(size, { piece });
    const random = new CpuGenerator(1);
    const given = group.map(() => random.randn([length]));
    const expected = Float32Array.from({ length }, (_, i) =>
      given.slice(1).reduce((sum, values) => Math.fround(sum + values[i]!), given[0]![i]!),
    );
    const values = given.map((each) => each.slice());
    // Twice, so that messages of one sum would show in the next.
    await Promise.all(group.map((each, k) => each.sum(values[k]!)));
    for (const each of values) expect(each).toEqual(expected);
    await Promise.all(group.map((each, k) => each.sum(values[k]!)));
    for (const each of values) expect(each).toEqual(values[0]);
    expect(values[0]).not.toEqual(expected);
  });

  it("is told what the first one makes, and what each says", async () => {
    const group = await groupOf(3);
    let made = 0;
    const first = (value: unknown) => Promise.all(group.map((each) => each.first(() => [++made, value])));
    expect(await first("a")).toEqual([1, 2, 3].map(() => [1, "a"]));
    const nothing = await Promise.all(group.map((each) => each.first(() => undefined)));
    expect(nothing).toEqual([undefined, undefined, undefined]);
    const said = await Promise.all(group.map((each) => each.all(`I am ${each.rank}`)));
    expect(said).toEqual([1, 2, 3].map(() => ["I am 0", "I am 1", "I am 2"]));
  });

  it("waits for nobody any more when its signal fires, or the server ends", async () => {
    const controller = new AbortController();
    const [first] = await groupOf(2, { signal: controller.signal });
    const waiting = first!.all("alone");
    controller.abort(new Error("process 2 was killed"));
    await expect(waiting).rejects.toThrow("process 2 was killed");

    const own = await startRedisServer();
    const post = await openRedisPost({ address: own.address, name: "x", rank: 0, size: 2 });
    const answer = expect(groupOver(post).all("alone")).rejects.toThrow(/The Redis server at .*redis\.sock failed/);
    await own.close();
    await answer;
    await post.close();
    expect(existsSync(dirname(own.address))).toBe(false);
  });

  it("draws for all, and takes its share", () => {
    const all = new CpuGenerator(5);
    const whole = [all.rand([6]), all.randn([6, 3]), all.randint(0, 1000, [6])];
    for (const rank of [0, 1, 2]) {
      const random = sharedDraws(new CpuGenerator(5), { rank, size: 3 });
      const own = [random.rand([2]), random.randn([2, 3]), random.randint(0, 1000, [2])];
      const of = (k: number, width: number) => whole[k]!.slice(2 * rank * width, 2 * (rank + 1) * width);
      expect(own).toEqual([of(0, 1), of(1, 3), of(2, 1)]);
    }
  });
});

it("a Redis server ends with whoever started it, even if that is killed", async () => {
  const module = new URL("../../dist/training/redis-server.js", import.meta.url);
  const script = `const { startRedisServer } = await import("${module}");
    console.log((await startRedisServer()).address);
    setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const address = await new Promise<string>((resolve) =>
    starter.stdout.once("data", (text) => resolve(`${text}`.trim())),
  );
  expect(existsSync(address)).toBe(true);
  const post = await openRedisPost({ address, name: "x", rank: 0, size: 1 });
  starter.kill("SIGKILL");
  expect(await ends(starter.pid!)).toBe(true);
  await expect(post.receive(0)).rejects.toThrow(/failed/);
  await post.close();
  await expect.poll(() => existsSync(dirname(address))).toBe(false);
});

it("a server that is not there is told by its address, without a password", async () => {
  const address = "redis://somebody:secret@127.0.0.1:1";
  const options = { address, name: "x", rank: 0, size: 2 };
  await expect(openRedisPost(options)).rejects.toThrow(
    /^There is no Redis server at redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/,
  );
});

describe("learning together", () => {
  let runtime: Runtime;
  beforeAll(() => {
    runtime = createNodeRuntime({ device: "cpu", threads: 1 });
  });
  afterAll(() => runtime.close());

  const settings = (more: Partial<TrainSettings>): TrainSettings => ({
    steps: 12,
    batch: 2,
    accumulate: 2,
    rate: 0.05,
    seed: 7,
    folder,
    saveEvery: 4,
    keep: 9,
    // So short that every gradient is clipped.
    optimizer: { emaDecay: 0.9, maxNorm: 0.5 },
    ...more,
  });

  async function learn(more: Partial<TrainSettings>): Promise<TrainEvent[]> {
    const events: TrainEvent[] = [];
    for await (const event of train(line, pixels, runtime, settings(more))) events.push(event);
    return events;
  }

  const together = async (group: readonly Group[], more: Partial<TrainSettings>) =>
    Promise.all(group.map((each) => learn({ ...more, group: each })));

  const stepsOf = (events: readonly TrainEvent[]) => events.filter((event) => event.type === "step");

  async function at(name: string): Promise<string> {
    await mkdir(join(folder, name));
    return join(folder, name);
  }

  /** How far the states of two checkpoints are apart. */
  function apart(a: string, b: string): number {
    let far = 0;
    for (const state of ["weights", "first_moment", "second_moment", "ema"]) {
      const [ours, theirs] = [a, b].map((at) => readTensors(join(at, `${state}.safetensors`)));
      for (const [name, { data }] of ours!) {
        const other = theirs!.get(name)!.data;
        for (let i = 0; i < data.length; i++) far = Math.max(far, Math.abs(Number(data[i]) - Number(other[i])));
      }
    }
    return far;
  }

  const stateOf = async (checkpoint: string) =>
    JSON.parse(await readFile(join(checkpoint, "state.json"), "utf8")) as { random: unknown; position: number };

  it("is what one process learns from the joined batch, and only the first writes", async () => {
    const alone = await at("alone");
    const one = stepsOf(await learn({ batch: 6, folder: alone }));
    const ours = await at("together");
    const nowhere = join(folder, "nowhere");
    const group = await groupOf(3);
    const all = await Promise.all(
      group.map((each) => learn({ group: each, folder: each.rank === 0 ? ours : nowhere })),
    );
    expect(existsSync(nowhere)).toBe(false);
    expect((await readdir(ours)).sort()).toEqual(["checkpoint-12", "checkpoint-4", "checkpoint-8", "model.json"]);
    for (const events of all) {
      const steps = stepsOf(events);
      expect(steps).toHaveLength(12);
      for (const [i, { loss, norm, learningRate }] of steps.entries()) {
        expect(Math.abs(loss - one[i]!.loss)).toBeLessThanOrEqual(1e-5 * one[i]!.loss);
        expect(Math.abs(norm - one[i]!.norm)).toBeLessThanOrEqual(1e-5 * one[i]!.norm);
        expect(learningRate).toBe(one[i]!.learningRate);
      }
      expect(steps.map(({ loss, norm }) => [loss, norm])).toEqual(
        stepsOf(all[0]!).map(({ loss, norm }) => [loss, norm]),
      );
    }
    expect(one.some(({ norm }) => norm > 0.5)).toBe(true);
    const [theirs, mine] = [join(alone, "checkpoint-12"), join(ours, "checkpoint-12")];
    expect(apart(theirs, mine)).toBeLessThanOrEqual(1e-5);
    expect(apart(theirs, join(alone, "checkpoint-4"))).toBeGreaterThan(1e-2);
    // The walk and the random numbers stand at the very same place.
    const [a, b] = [await stateOf(theirs), await stateOf(mine)];
    expect([b.random, b.position]).toEqual([a.random, a.position]);
  });

  it("goes on bit for bit, and with another number of processes near it", async () => {
    const straight = await at("straight");
    await together(await groupOf(2), { folder: straight });
    const resume = join(straight, "checkpoint-8");
    const again = await at("again");
    await together(await groupOf(2), { folder: again, resume });
    expect(apart(join(straight, "checkpoint-12"), join(again, "checkpoint-12"))).toBe(0);
    const single = await at("single");
    await learn({ folder: single, resume, batch: 4 });
    expect(apart(join(straight, "checkpoint-12"), join(single, "checkpoint-12"))).toBeLessThanOrEqual(1e-5);
  });

  it("stops after the same step everywhere when the first is told to", async () => {
    const controller = new AbortController();
    const all = await Promise.all(
      (await groupOf(2)).map(async (group) => {
        const events: TrainEvent[] = [];
        const signal = group.rank === 0 ? controller.signal : undefined;
        for await (const event of train(line, pixels, runtime, settings({ group, signal, steps: 1000 }))) {
          events.push(event);
          if (group.rank === 0 && event.type === "step" && event.step === 3) controller.abort();
        }
        return events;
      }),
    );
    for (const events of all) {
      expect(events.slice(-2)).toEqual([
        { type: "checkpoint", step: 3, folder: join(folder, "checkpoint-3") },
        { type: "saved", step: 3, folder },
      ]);
    }
  });

  it("notices where weights are no longer the same", async () => {
    const group = await groupOf(2);
    const trainer = (value: number) => ({ steps: 5, read: async () => new Map([["a", Float32Array.of(1, value)]]) });
    const same = group.map((each) => checkSameWeights(trainer(2), each));
    await expect(Promise.all(same)).resolves.toBeDefined();
    const other = group.map((each) => checkSameWeights(trainer(each.rank), each));
    for (const each of await Promise.allSettled(other)) {
      expect(each).toMatchObject({
        reason: { message: expect.stringContaining("After step 5 process 2 of 2 has other weights than the first") },
      });
    }
  });
});
