import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Runtime, Session } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";
import { type TrainEvent, type TrainSettings, train } from "../../src/training/index.ts";
import { readTensors } from "../support/fixtures.ts";
import { line, pixels } from "../support/line-lesson.ts";

let runtime: Runtime;
let folder = "";
beforeAll(() => {
  runtime = createNodeRuntime({ device: "cpu", threads: 2 });
});
afterAll(() => runtime.close());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-train-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const settings = (more: Partial<TrainSettings> = {}): TrainSettings => ({
  steps: 6,
  batch: 4,
  accumulate: 2,
  rate: 0.05,
  schedule: "cosine",
  warmUp: 2,
  seed: 7,
  folder,
  saveEvery: 100,
  keep: 2,
  optimizer: { emaDecay: 0.9, emaWarmUp: true },
  ...more,
});

async function learn(more: Partial<TrainSettings> = {}, on: Runtime = runtime): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(line, pixels, on, settings(more))) events.push(event);
  return events;
}

const of = <T extends TrainEvent["type"]>(events: readonly TrainEvent[], type: T) =>
  events.filter((event): event is Extract<TrainEvent, { type: T }> => event.type === type);

/** Everything that a checkpoint holds. */
async function contentOf(checkpoint: string): Promise<Record<string, unknown>> {
  const names = (await readdir(checkpoint)).sort();
  expect(names).toEqual([
    "ema.safetensors",
    "first_moment.safetensors",
    "second_moment.safetensors",
    "state.json",
    "weights.safetensors",
  ]);
  const files = names.map(async (name) => {
    const path = join(checkpoint, name);
    return [name, name.endsWith("json") ? JSON.parse(await readFile(path, "utf8")) : readTensors(path)] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

/** A runtime whose n-th step, counted from 0, comes to what `change` makes of its loss, or of another number. */
function changed(change: (step: number, loss: number) => number | Error, output = "loss"): Runtime {
  let step = 0;
  return {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      if (!session.outputNames.includes("loss")) return session;
      const runKeeping: Session["runKeeping"] = async (feeds) => {
        const result = await session.runKeeping(feeds);
        const loss = change(step++, (result.outputs[output]!.data as Float32Array)[0]!);
        if (loss instanceof Error) throw loss;
        return { ...result, outputs: { ...result.outputs, [output]: float32([], [loss]) as Tensor } };
      };
      return { ...session, runKeeping };
    },
  };
}

describe("the loop", () => {
  it("learns, tells every step, and writes checkpoints and the model", async () => {
    const events = await learn({ steps: 60, saveEvery: 25, rate: 0.1 });
    expect(events[0]).toEqual({ type: "start", step: 0, steps: 60, parameters: 2 });
    const steps = of(events, "step");
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss / 10);
    expect(steps[0]!.learningRate).toBe(0);
    expect(steps[2]!.learningRate).toBe(0.1);
    expect(steps.at(-1)!.secondsLeft).toBe(0);
    // Eight of nine usable pixels of ten a step.
    expect(steps.at(-1)!.epoch).toBeGreaterThan((60 * 8) / 10);
    expect(of(events, "checkpoint").map(({ step }) => step)).toEqual([25, 50, 60]);
    expect((await readdir(folder)).sort()).toEqual(["checkpoint-50", "checkpoint-60", "model.json"]);
    expect(of(events, "skipped")[0]).toEqual({
      type: "skipped",
      key: "broken.png",
      skipped: "broken.png is no picture.",
    });
    expect(events.at(-1)).toEqual({ type: "saved", step: 60, folder });
  });

  it("goes on from a checkpoint as if it had never stopped, bit for bit", async () => {
    const straight = join(folder, "straight");
    const halves = join(folder, "halves");
    for (const each of [straight, halves]) await mkdir(each);
    await learn({ folder: straight });
    await learn({ folder: halves, signal: afterSteps(3) });
    expect(await readdir(halves)).toContain("checkpoint-3");
    const events = await learn({ folder: halves, resume: join(halves, "checkpoint-3") });
    expect(events[0]).toEqual({ type: "start", step: 3, steps: 6, parameters: 2 });
    expect(await contentOf(join(halves, "checkpoint-6"))).toEqual(await contentOf(join(straight, "checkpoint-6")));
    expect(await readFile(join(halves, "model.json"), "utf8")).toBe(
      await readFile(join(straight, "model.json"), "utf8"),
    );
    // And not because nothing random mattered.
    await rm(straight, { recursive: true });
    await mkdir(straight);
    await learn({ folder: straight, seed: 8 });
    expect(await contentOf(join(halves, "checkpoint-6"))).not.toEqual(await contentOf(join(straight, "checkpoint-6")));
  });

  it("saves and stops where it is told to", async () => {
    const events = await learn({ steps: 1000, signal: afterSteps(2) });
    expect(events.slice(-2)).toEqual([
      { type: "checkpoint", step: 2, folder: join(folder, "checkpoint-2") },
      { type: "saved", step: 2, folder },
    ]);
  });

  it("draws samples of the model as it is then", async () => {
    const drawn: [number, string][] = [];
    const draw = async (step: number, at: string) => {
      drawn.push([step, await readFile(join(at, "model.json"), "utf8")]);
      return [`sheet-${step}.png`];
    };
    const events = await learn({ samples: { every: 3, draw } });
    expect(of(events, "sample")).toEqual(
      [3, 6].map((step) => ({ type: "sample", step, paths: [`sheet-${step}.png`] })),
    );
    expect(drawn[0]![1]).not.toBe(drawn[1]![1]);
  });
});

describe("a loss that is not finite", () => {
  it("leads back to the last checkpoint, at half the rate", async () => {
    // Two batches a step: this is in the fifth.
    const events = await learn(
      { saveEvery: 2 },
      changed((run, loss) => (run === 9 ? Number.NaN : loss)),
    );
    expect(of(events, "recovered")).toEqual([{ type: "recovered", step: 5, from: 4, rateFactor: 0.5 }]);
    const rates = of(events, "step").map(({ step, learningRate }) => [step, learningRate] as const);
    expect(rates.map(([step]) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    const plain = of(await learn({ folder: await mkdtemp(join(folder, "plain-")) }), "step");
    expect(rates[3]![1]).toBe(plain[3]!.learningRate);
    expect(rates[4]![1]).toBe(plain[4]!.learningRate / 2);
    // What came after is remembered by who goes on.
    const { "state.json": state } = await contentOf(join(folder, "checkpoint-6"));
    expect(state).toMatchObject({ rateFactor: 0.5, recoveries: 1, step: 6 });
  });

  it("ends the run after three times, with its last checkpoint intact", async () => {
    const always = changed((run, loss) => (run >= 6 ? Number.POSITIVE_INFINITY : loss));
    const events: TrainEvent[] = [];
    const all = train(line, pixels, always, settings({ saveEvery: 2 }));
    await expect(
      (async () => {
        for await (const event of all) events.push(event);
      })(),
    ).rejects.toThrow(/step 3, after 3 times of going back.*checkpoint-2/);
    expect(of(events, "recovered").map(({ rateFactor }) => rateFactor)).toEqual([0.5, 0.25, 0.125]);
    expect((await readdir(folder)).sort()).toEqual(["checkpoint-2"]);
    await contentOf(join(folder, "checkpoint-2"));
  });

  it("before the first checkpoint leads back to the beginning", async () => {
    const events = await learn(
      {},
      changed((run, loss) => (run === 2 ? Number.NaN : loss)),
    );
    expect(of(events, "recovered")).toEqual([{ type: "recovered", step: 2, from: 0, rateFactor: 0.5 }]);
    expect(of(events, "step").map(({ step }) => step)).toEqual([1, 1, 2, 3, 4, 5, 6]);
  });
});

describe("gradients that run over in 16 bits", () => {
  it.each([2, 6])("leave out the batch of step %i, and halve the scale, which is remembered", async (step) => {
    const optimizer = { emaDecay: 0.9, emaWarmUp: true, precision: "float16" as const };
    const ranOver = changed((run, square) => (run === step - 1 ? Number.POSITIVE_INFINITY : square), "square_norm");
    const events = await learn({ accumulate: 1, optimizer }, ranOver);
    expect(of(events, "rescaled")).toEqual([{ type: "rescaled", step, lossScale: 32_768 }]);
    expect(of(events, "recovered")).toEqual([]);
    const steps = of(events, "step");
    expect(steps.map((event) => event.step)).toEqual([1, 2, 3, 4, 5, 6]);
    const plain = of(await learn({ accumulate: 1, folder: await mkdtemp(join(folder, "plain-")) }), "step");
    expect(steps.at(-1)!.epoch).toBeGreaterThan(plain.at(-1)!.epoch);
    const { "state.json": state } = await contentOf(join(folder, "checkpoint-6"));
    expect(state).toMatchObject({ step: 6, lossScale: { factor: 32_768, steps: 7 - step } });
  });
});

describe("memory that does not suffice", () => {
  const full = new Error("Failed to allocate memory for requested buffer of size 1");
  /** What is said where Node gives up in the process that computes. */
  const gaveUp = new Error("The inference process was ended by SIGABRT. Its last words: OOM error in V8: Committing");
  /** Room for so many examples at once. */
  const roomFor = (most: number, error = full): Runtime => ({
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      if (!session.outputNames.includes("loss")) return session;
      const runKeeping: Session["runKeeping"] = async (feeds) => {
        if (feeds["x"]!.shape[0]! > most) throw error;
        return session.runKeeping(feeds);
      };
      return { ...session, runKeeping };
    },
  });

  it("says which batch fits", async () => {
    const advice = /not enough memory for a batch of 32\. A batch of 8 fits.*--batch 8 --accumulate 4/;
    await expect(learn({ batch: 32 }, roomFor(9))).rejects.toThrow(advice);
    await expect(learn({ batch: 32 }, roomFor(9, gaveUp))).rejects.toThrow(advice);
    await expect(learn({ batch: 32 }, roomFor(0))).rejects.toThrow(/Not even a single example fits/);
  });
});

describe("a checkpoint", () => {
  it("that is damaged, or of another model, is refused by its name", async () => {
    await learn({ steps: 2 });
    const good = join(folder, "checkpoint-2");
    await expect(learn({ steps: 2, resume: good })).rejects.toThrow(/checkpoint-2 has taken 2 steps already/);
    await expect(learn({ resume: join(folder, "checkpoint-1") })).rejects.toThrow(/checkpoint-1.*does not exist/);
    const other = join(folder, "other");
    await cp(good, other, { recursive: true });
    await cp(join(good, "state.json"), join(other, "weights.safetensors"));
    await expect(learn({ resume: other })).rejects.toThrow(/weights\.safetensors/);
    await writeFile(join(other, "state.json"), JSON.stringify({ format: 99 }));
    await expect(learn({ resume: other })).rejects.toThrow(/state\.json: "format"/);
  });

  it("leaves nothing of one that was never finished", async () => {
    await mkdir(join(folder, ".checkpoint-1-abc.tmp"));
    await learn({ steps: 1 });
    expect((await readdir(folder)).sort()).toEqual(["checkpoint-1", "model.json"]);
  });
});

/** A signal that fires when so many steps were taken: an abort between two events of a run. */
function afterSteps(count: number): AbortSignal {
  let asked = 0;
  const controller = new AbortController();
  // The loop looks at it once before each step.
  return new Proxy(controller.signal, {
    get: (signal, key) => (key === "aborted" ? ++asked > count : Reflect.get(signal, key)),
  });
}
