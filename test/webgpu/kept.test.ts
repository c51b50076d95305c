import { afterAll, expect, test } from "vitest";
import { load } from "../../src/pipelines/index.ts";
import { createNodeRuntime, createProcessRuntime } from "../../src/runtime/index.ts";
import { float32 } from "../../src/tensor/index.ts";
import { createTrainer } from "../../src/training/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { describeKept } from "../support/kept.ts";
import { line } from "../support/line-lesson.ts";
import { watched } from "../support/watched.ts";
import { nameAdapter } from "./adapter.ts";

nameAdapter();

const here = createNodeRuntime({ device: "webgpu", strict: true });
const elsewhere = createProcessRuntime({ device: "webgpu", strict: true });
afterAll(() => Promise.all([here.close(), elsewhere.close()]));

describeKept([
  ["in this process", here],
  ["in a process of its own", elsewhere],
]);

const choice = { device: "webgpu", works: true, reason: "as asked" } as const;
const settings = { prompt: "a lighthouse", width: 64, height: 64, steps: 3, guidance: 5, deepCache: 2, seed: 1 };

test("of a walk that is looked into latents, timesteps and predictions cross; all else stays on the device", async () => {
  const { runtime, crossed, kept } = watched(elsewhere);
  const inkling = await load(plainCheckpoint.folder, { starting: Promise.resolve({ runtime, choice }) });
  for await (const event of inkling.stream(settings))
    if (event.type === "step") expect(event.latents.data).toHaveLength(256);
  const names = [...crossed.keys()].filter((name) => !/^(text_encoder|vae)/.test(name)).sort();
  expect(names).toEqual(["repeated > y", "unet < encoder_hidden_states", "unet < sample", "unet < timestep"]);
  expect(kept.has("deep")).toBe(true);
  expect(kept.has("out_sample")).toBe(true);
  expect(new Set(kept.values())).toEqual(new Set(["gpu-buffer"]));
});

test("of a walk that nobody looks into weights of sums and timesteps cross at a step, and no latents", async () => {
  const { runtime, crossed, kept, alive } = watched(elsewhere);
  const inkling = await load(plainCheckpoint.folder, { starting: Promise.resolve({ runtime, choice }) });
  const { images } = await inkling.generate({ ...settings, sampler: "DDIM" });
  expect(images).toHaveLength(1);
  const walked = [...crossed].filter(([name]) => !/^(text_encoder|vae)/.test(name)).sort();
  // Four vectors: where it starts, and three predictions. Of two words each tells a timestep.
  expect(walked).toEqual([
    ["latents < place", [16, 16, 16, 16]],
    ["latents < rows", [1024]],
    ["latents < shares", [4, 8, 8, 8]],
    ["latents < weights", [16, 16, 16, 16]],
    ["latents > total", [4, 4, 4, 4]],
    ["repeated > y", [1024]],
    ["unet < encoder_hidden_states", crossed.get("unet < encoder_hidden_states")],
    ["unet < timestep", [8, 8, 8]],
  ]);
  expect(crossed.get("unet < encoder_hidden_states")).toHaveLength(1);
  expect(new Set(kept.values())).toEqual(new Set(["gpu-buffer"]));
  expect(alive()).toBe(0);
});

test("of a step of learning only batch and scalars cross; weights, moments, average and gradients stay on the device", async () => {
  const { runtime, crossed, kept } = watched(elsewhere);
  const trainer = await createTrainer(line.loss(4), line.initial, runtime);
  crossed.clear();
  const batch = () => ({ x: float32([4, 1], [0, 1, 2, 3]), y: float32([4, 1], [0, 2, 4, 6]) });
  const losses: number[] = [];
  for (let step = 0; step < 3; step++) losses.push((await trainer.step([batch(), batch()], 0.1)).loss);
  expect(losses[2]!).toBeLessThan(losses[0]!);
  const scalars = ["clip", "ema_decay", "ema_share", "learning_rate", "second_root", "step_size"];
  expect([...crossed.keys()].sort()).toEqual([
    ...scalars.map((name) => `adamw < ${name}`),
    ...["< x", "< y", "> loss", "> square_norm"].map((name) => `line_gradients ${name}`),
    "sum > square_norm",
  ]);
  const states = ["ema", "first_moment", "second_moment", "weights"].map((name) => `next.${name}`);
  expect([...kept.keys()].sort()).toEqual(["gradients.0", ...states, "sum", "y"]);
  expect(new Set(kept.values())).toEqual(new Set(["gpu-buffer"]));
  await trainer.close();
});
