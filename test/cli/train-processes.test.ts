/** `inkling train diffusion --processes`: several processes on this machine, and a Redis server by which they meet. */
import { readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { type RedisServer, startRedisServer } from "../../src/training/index.ts";
import { childrenOf, ends, expectOneMessage, type Running, run, start, workingFolder } from "../support/binary.ts";
import { readTensors } from "../support/fixtures.ts";
import { tinyRecipe } from "../support/tiny-recipe.ts";

const work = workingFolder();
const train = ["train", "diffusion", "--config", "recipe.json", "--threads", "1"];
const UNET = "unet/diffusion_pytorch_model.safetensors";
const STATES = ["weights", "first_moment", "second_moment", "ema"];

beforeEach(() => writeFileSync(work.path("recipe.json"), JSON.stringify(tinyRecipe)));

interface Step {
  readonly type: string;
  readonly step: number;
  readonly loss: number;
  readonly norm: number;
}

async function learn(...args: string[]): Promise<Step[]> {
  const done = await run([...train, "--json", ...args], work);
  expect(done.code, done.stderr).toBe(0);
  const events = done.stdout.trim().split("\n");
  return events.map((line) => JSON.parse(line) as Step).filter(({ type }) => type === "step");
}

/** How far the states of two checkpoints are apart. */
function apart(a: string, b: string): number {
  let far = 0;
  for (const state of STATES) {
    const [ours, theirs] = [a, b].map((name) => readTensors(work.path(name, `${state}.safetensors`)));
    for (const [name, { data }] of ours!) {
      const other = theirs!.get(name)!.data;
      for (let i = 0; i < data.length; i++) far = Math.max(far, Math.abs(Number(data[i]) - Number(other[i])));
    }
  }
  return far;
}

/** The processes beside the first, without its own inference process and its server. */
function workersOf({ child }: Running): number[] {
  const args = (pid: number) => readFileSync(`/proc/${pid}/cmdline`, "utf8");
  return childrenOf(child.pid!).filter((pid) => args(pid).includes("worker.js"));
}

/** Everything that a command started, and what that started. */
function allUnder(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...allUnder(child)]);
}

async function expectEnded(pids: readonly number[]): Promise<void> {
  expect(pids.length).toBeGreaterThan(0);
  for (const pid of pids) expect(await ends(pid), `process ${pid}`).toBe(true);
}

const checkpoints = (): number[] =>
  work
    .files("a")
    .flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((x, y) => x - y);

describe("train --processes", () => {
  it("learns what one process learns from the joined batch, and goes on with one process or with several", async () => {
    const sizes = ["--lr", "0.001", "--steps", "4", "--save-every", "2", "--keep", "9"];
    const one = await learn("--out", "one", "--batch", "6", ...sizes);
    const three = await learn("--out", "three", "--batch", "2", "--processes", "3", ...sizes);
    expect(three).toHaveLength(4);
    for (const [i, { loss, norm }] of three.entries()) {
      expect(Math.abs(loss - one[i]!.loss)).toBeLessThanOrEqual(1e-5 * one[i]!.loss);
      expect(Math.abs(norm - one[i]!.norm)).toBeLessThanOrEqual(1e-5 * one[i]!.norm);
    }
    // The rate and the tolerance of the training fixtures.
    expect(apart("three/checkpoint-4", "one/checkpoint-4")).toBeLessThanOrEqual(1e-4);
    expect(apart("one/checkpoint-2", "one/checkpoint-4")).toBeGreaterThan(1e-3);
    expect(work.files("three").sort()).toEqual(work.files("one").sort());

    const resume = ["train", "diffusion", "--threads", "1", "--resume", "three/checkpoint-2", "-q"];
    const again = await run([...resume, "--out", "again"], work);
    expect([again.code, again.stderr]).toEqual([0, ""]);
    expect(apart("again/checkpoint-4", "three/checkpoint-4")).toBe(0);
    const alone = await run([...resume, "--out", "alone", "--processes", "1"], work);
    expect([alone.code, alone.stderr]).toEqual([0, ""]);
    expect(apart("alone/checkpoint-4", "three/checkpoint-4")).toBeLessThanOrEqual(1e-4);
  });

  it("stops with its last checkpoint intact and says which process was killed", async () => {
    const running = start([...train, "--out", "a", "--processes", "2", "--steps", "100000", "--save-every", "3"], work);
    await running.until("checkpoint-6 saved");
    const under = allUnder(running.child.pid!);
    const [worker] = workersOf(running);
    process.kill(worker!, "SIGKILL");
    const { code, said } = await running.finished;
    expect(code).toBe(1);
    const last = checkpoints().at(-1)!;
    const message = `Process 2 of 2 (${worker}) was killed, and the run stopped. `;
    expect(said.at(-1)).toContain(`${message}${work.path("a", `checkpoint-${last}`)} is its last checkpoint`);
    expect(said.filter((line) => line.includes("killed"))).toHaveLength(1);
    await expectEnded(under);
    expect(work.files("a").filter((name) => name.endsWith(".tmp") || name === ".training")).toEqual([]);
    const on = await run(["train", "diffusion", "--resume", "--out", "a", "--steps", `${last + 1}`, "-q"], work);
    expect([on.code, on.stderr]).toEqual([0, ""]);
    expect(checkpoints().at(-1)).toBe(last + 1);
  });

  it("saves and stops at Ctrl-C", async () => {
    const running = start([...train, "--out", "a", "--processes", "2", "--steps", "100000", "--json"], work);
    await running.until('"step":3,');
    const under = allUnder(running.child.pid!);
    running.interrupt();
    const done = await running.finished;
    expect(done.code, done.stderr).toBe(130);
    expect(done.said.at(-1)).toBe("inkling: interrupted");
    expect(checkpoints()).toHaveLength(1);
    expect(readTensors(work.path("a", UNET)).size).toBeGreaterThan(0);
    await expectEnded(under);
  });

  it("leaves nothing running when the first process is killed", async () => {
    const running = start([...train, "--out", "a", "--processes", "2", "--steps", "100000", "--json"], work);
    await running.until('"step":2,');
    const under = allUnder(running.child.pid!);
    expect(under.length).toBeGreaterThanOrEqual(4);
    running.child.kill("SIGKILL");
    await running.finished;
    await expectEnded(under);
  });

  it("meets at the Redis server that it is told, and leaves nothing there", async () => {
    const server: RedisServer = await startRedisServer();
    try {
      await learn("--out", "a", "--processes", "2", "--redis", server.address);
      const { Redis } = await import("ioredis");
      const redis = new Redis(server.address);
      expect(Number(/cmdstat_rpush:calls=(\d+)/.exec(await redis.info("commandstats"))![1])).toBeGreaterThan(10);
      expect(await redis.keys("*")).toEqual([]);
      redis.disconnect();
    } finally {
      await server.close();
    }
  });

  it.each([
    [["--processes", "2", "--redis", "redis://127.0.0.1:1"], 1, "There is no Redis server at redis://127.0.0.1:1"],
    [["--redis", "redis://127.0.0.1:1"], 2, "say how many with --processes"],
    [["--processes", "0"], 2, "a whole number from 1 to 64"],
  ] as const)("%j is refused", async (args, code, words) => {
    const done = await run([...train, "--out", "a", ...args], work);
    expect(done.code, done.stderr).toBe(code);
    expectOneMessage(done, words);
    expect(work.files()).toEqual(["recipe.json"]);
  });

  it("says what to install where there is no redis-server", async () => {
    const within = ["/usr/bin/env", "PATH=/nowhere"];
    const done = await run([...train, "--out", "a", "--processes", "2"], { ...work, within });
    expect(done.code).toBe(1);
    expectOneMessage(done, "no redis-server is installed here: install it", "--redis redis://");
  });

  it("cannot go on with a batch that is another", async () => {
    await learn("--out", "a", "--batch", "3", "--processes", "2", "--steps", "1");
    const goOn = ["train", "diffusion", "--resume", "--out", "a", "--steps", "2"];
    const uneven = await run([...goOn, "--processes", "4"], work);
    expect(uneven.code).toBe(2);
    expectOneMessage(uneven, "was begun with 6 examples a batch, which 4 processes cannot share evenly");
    const other = await run([...goOn, "--processes", "3", "--batch", "3"], work);
    expect(other.code).toBe(2);
    expectOneMessage(other, "was begun with batch 6, not 9");
  });
});
