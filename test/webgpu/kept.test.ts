import { afterAll, expect, test } from "vitest";
import { load } from "../../src/pipelines/index.ts";
import { createNodeRuntime, createProcessRuntime, type Runtime } from "../../src/runtime/index.ts";
import { numbersOf } from "../../src/runtime/ort.ts";
import { float32 } from "../../src/tensor/index.ts";
import { createTrainer } from "../../src/training/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { describeKept } from "../support/kept.ts";
import { line } from "../support/line-lesson.ts";
import { nameAdapter } from "./adapter.ts";

nameAdapter();

const here = createNodeRuntime({ device: "webgpu", strict: true });
const elsewhere = createProcessRuntime({ device: "webgpu", strict: true });
afterAll(() => Promise.all([here.close(), elsewhere.close()]));

describeKept([
  ["in this process", here],
  ["in a process of its own", elsewhere],
]);

/** A runtime that tells what went to it and came from it as numbers, by name, and where it kept the rest. */
function watched(runtime: Runtime) {
  const crossed = new Set<string>();
  const kept = new Map<string, string>();
  const it: Runtime = {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      const told: typeof session.runKeeping = async (feeds, about) => {
        for (const [name, feed] of Object.entries(feeds)) if ("data" in feed) crossed.add(`${model.name} < ${name}`);
        const found = await session.runKeeping(feeds, about);
        for (const name of Object.keys(found.outputs)) crossed.add(`${model.name} > ${name}`);
        for (const [name, { location }] of Object.entries(found.kept)) kept.set(name, location);
        return found;
      };
      return {
        ...session,
        get ended() {
          return session.ended;
        },
        runKeeping: told,
        run: async (feeds, about) => numbersOf(await told(feeds, about)),
      };
    },
  };
  return { it, crossed, kept };
}

test("of a walk only latents, timesteps and predictions cross; keys, values and deep features stay on the device", async () => {
  const { it: runtime, crossed, kept } = watched(elsewhere);
  const choice = { device: "webgpu", works: true, reason: "as asked" } as const;
  const inkling = await load(plainCheckpoint.folder, { starting: Promise.resolve({ runtime, choice }) });
  const settings = { prompt: "a lighthouse", width: 64, height: 64, steps: 3, guidance: 5, deepCache: 2, seed: 1 };
  const { images } = await inkling.generate(settings);
  expect(images).toHaveLength(1);
  const ofUnet = [...crossed].filter((name) => name.startsWith("unet")).sort();
  expect(ofUnet).toEqual(["unet < encoder_hidden_states", "unet < sample", "unet < timestep", "unet > out_sample"]);
  expect(kept.has("deep")).toBe(true);
  expect(kept.size).toBeGreaterThan(2);
  expect(new Set(kept.values())).toEqual(new Set(["gpu-buffer"]));
});

test("of a step of learning only batch and scalars cross; weights, moments, average and gradients stay on the device", async () => {
  const { it: runtime, crossed, kept } = watched(elsewhere);
  const trainer = await createTrainer(line.loss(4), line.initial, runtime);
  crossed.clear();
  const batch = () => ({ x: float32([4, 1], [0, 1, 2, 3]), y: float32([4, 1], [0, 2, 4, 6]) });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await trainer.step([batch(), batch()], 0.1)).loss);
  expect(losses[2]!).toBeLessThan(losses[0]!);
  const scalars = ["clip", "ema_decay", "ema_share", "learning_rate", "second_root", "step_size"];
  expect([...crossed].sort()).toEqual([
    ...scalars.map((name) => `adamw < ${name}`),
    ...["< x", "< y", "> loss", "> square_norm"].map((name) => `line_gradients ${name}`),
    "sum > square_norm",
  ]);
  const states = ["ema", "first_moment", "second_moment", "weights"].map((name) => `next.${name}`);
  expect([...kept.keys()].sort()).toEqual(["gradients.0", ...states, "sum", "y"]);
  expect(new Set(kept.values())).toEqual(new Set(["gpu-buffer"]));
  await trainer.close();
});
