import { afterAll, expect, test } from "vitest";
import { load } from "../../src/pipelines/index.ts";
import { createProcessRuntime } from "../../src/runtime/index.ts";
import { drawnOf } from "../support/drawn.ts";
import { path } from "../support/fixtures.ts";
import { distinctRuns, expectRun, expectUnseenRun, work } from "../support/pipelines.ts";
import { nameAdapter } from "./adapter.ts";
import { runLimits } from "./tolerances.ts";

nameAdapter();

/**
 * As `load` starts one for "webgpu", but told to fail rather than place a node on the CPU: that it draws means that
 * every node of every network ran on the device. One for all checkpoints, which share programs.
 */
const runtime = createProcessRuntime({ device: "webgpu", strict: true });
const starting = Promise.resolve({ runtime, choice: { device: "webgpu", works: true, reason: "as asked" } as const });
afterAll(() => runtime.close());

const runs = distinctRuns();

test.each(runs.map((r) => [`${r.checkpoint} ${r.run.run}`, r] as const))("%s", async (_, { checkpoint, run }) => {
  const inkling = await load(path("checkpoints", checkpoint), { starting });
  expect(inkling.device).toBe("webgpu");
  await expectRun((settings, i) => drawnOf(inkling.stream(settings), i), checkpoint, run, runLimits);
});

/** With the guidance as an input of the network and noise at every step; and with a prompt and its negative. */
const unseen = runs.filter(({ run }) => run.guidance_scale > 1).toSorted((a, b) => work(a.run) - work(b.run));

test.each(unseen.slice(0, 2).map((r) => [`${r.checkpoint} ${r.run.run}`, r] as const))(
  "%s, whose latents stay on the device",
  async (_, { checkpoint, run }) => {
    const { parts } = await load(path("checkpoints", checkpoint), { starting });
    await expectUnseenRun(parts, checkpoint, run, runLimits);
  },
);

test("load opens the device by its name", async () => {
  const least = runs.reduce((a, b) => (work(b.run) < work(a.run) ? b : a));
  const inkling = await load(path("checkpoints", least.checkpoint), { device: "webgpu" });
  try {
    expect(inkling.device).toBe("webgpu");
    await expectRun((settings, i) => drawnOf(inkling.stream(settings), i), least.checkpoint, least.run, runLimits);
  } finally {
    await inkling.close();
  }
});

test("epsilon and v, with and without guidance", () => expect(runs.length).toBeGreaterThanOrEqual(4));
