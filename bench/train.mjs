/**
 * How fast a U-Net learns here and on torch: forward, backward, clipping and AdamW, from the same fresh weights on the same
 * batches, one process after another in turns.
 *
 *   node bench/train.mjs [--against torch,torch-compile] [--model FOLDER] [--size 256] [--batch 8] [--steps 8] [--rounds 2]
 *                        [--threads N] [--also gradient-checkpointing] [--plot FILE.png] [--json FILE] [--markdown]
 *
 * Needs `npm run build`; torch comes from `npm run bench:setup`. The model's U-Net begins anew; batches are drawn shapes as
 * its VAE and its text encoder give them, made beforehand. --plot draws the losses of the first round. docs/training.md
 * says what the columns mean. Linux.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { partsOf } from "../dist/cli/train/model.js";
import { median } from "../dist/pipelines/timing.js";
import { createProcessRuntime } from "../dist/runtime/index.js";
import { CpuGenerator, float32 } from "../dist/tensor/index.js";
import { diffusionLesson, diffusionModel, isSkipped, shapes, torchWeights } from "../dist/training/index.js";
import { writeSafetensors } from "../dist/weights/index.js";
import { writeLinePlot } from "./line-plot.mjs";
import { describeMachine, timed } from "./machine.mjs";
import { PYTHON } from "./peers/engines.mjs";
import { columns, isQuiet, markdown } from "./rows.mjs";
import { runWatched } from "./run.mjs";
import { Missing, main, readOptions, Usage, whole } from "./work.mjs";

const LEARNING_RATE = 1e-4;
/** Pictures that batches are made of: their noise is new each time. */
const PICTURES = 64;
const EMBEDDED = fileURLToPath(new URL("../models/inkdrop-256", import.meta.url));
const here = (name) => fileURLToPath(new URL(`peers/${name}`, import.meta.url));

const ours = (more) => (work) => [process.execPath, here("inkling-train.mjs"), JSON.stringify({ ...work, ...more })];
const torch = (form) => (work) => [PYTHON, here("torch_train.py"), JSON.stringify({ ...work, form })];
const peers = { torch: torch("eager"), "torch-compile": torch("compile") };
const variants = { "gradient-checkpointing": ours({ gradient_checkpointing: true }) };

await main(async () => {
  const values = readOptions({
    against: { type: "string", default: "" },
    model: { type: "string", default: EMBEDDED },
    size: { type: "string", default: "256" },
    batch: { type: "string", default: "8" },
    steps: { type: "string", default: "8" },
    rounds: { type: "string", default: "2" },
    threads: { type: "string", default: `${availableParallelism()}` },
    also: { type: "string", default: "" },
    plot: { type: "string" },
    json: { type: "string" },
    markdown: { type: "boolean", default: false },
  });
  const [steps, rounds, batch] = ["steps", "rounds", "batch"].map((name) => whole(name, values[name]));
  const engines = new Map([
    ["inkling", ours()],
    ...chosen("also", values.also, variants).map(([name, command]) => [`inkling, ${name}`, command]),
    ...chosen("against", values.against, peers),
  ]);
  if (values.against && !existsSync(PYTHON)) throw new Missing(`There is no ${PYTHON}: npm run bench:setup makes it.`);

  const scratch = mkdtempSync(join(tmpdir(), "inkling-bench-"));
  process.once("exit", () => rmSync(scratch, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(130));
  const task = await prepare(scratch, { model: values.model, size: whole("size", values.size, 8), steps, batch });
  const work = { ...task, steps, threads: whole("threads", values.threads), learning_rate: LEARNING_RATE };

  const runs = new Map([...engines.keys()].map((name) => [name, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [name, command] of engines) {
      process.stderr.write(`round ${round} of ${rounds}: ${name} … `);
      const run = await measure(command(work), work);
      process.stderr.write(`${median(run.step_s.slice(1)).toFixed(3)} s a step${isQuiet(run) ? "" : ", disturbed"}\n`);
      runs.get(name).push(run);
    }
  }
  const rows = [...runs].map(([name, those]) => rowOf(name, those, batch));
  console.log(`${values.size}×${values.size}, batch ${batch}, ${work.threads} threads; ${describeMachine()}\n`);
  console.log((values.markdown ? markdown : columns)(cellsOf(rows)));
  if (values.json) writeFileSync(values.json, JSON.stringify([...runs].map(([engine, of]) => ({ engine, of }))));
  if (values.plot) await plot(values.plot, runs);
});

/** Those of a list with commas. */
function chosen(option, list, all) {
  return list.split(",").flatMap((name) => {
    if (name === "") return [];
    if (!Object.hasOwn(all, name)) throw new Usage(`--${option} ${name}: it is one of ${Object.keys(all).join(", ")}.`);
    return [[name, all[name]]];
  });
}

/** Writes fresh weights and batches for all engines; gives where they lie. */
async function prepare(scratch, { model: from, size, steps, batch }) {
  const model = diffusionModel(await partsOf({ recipe: { from } }, process.env));
  const runtime = createProcessRuntime({ device: "cpu" });
  const random = new CpuGenerator(1);
  try {
    const lesson = await diffusionLesson(model, runtime, {
      ...{ width: size, height: size, trainTextEncoder: false, seed: 1 },
    });
    const own = [...lesson.loss(1).parameters].map(([name, { shape }]) => [name.replace(/^unet\./, ""), shape]);
    const fresh = torchWeights(new Map(own), random);
    const weights = join(scratch, "unet.safetensors");
    await writeSafetensors(weights, Object.fromEntries(own.map(([name, at]) => [name, float32(at, fresh.get(name))])));

    const data = shapes({ count: PICTURES, size });
    const rows = {};
    for (let k = 0; k < steps; k++) {
      const examples = await Promise.all(Array.from({ length: batch }, (_, i) => data.at((k * batch + i) % PICTURES)));
      const fed = await lesson.batch(
        examples.filter((example) => !isSkipped(example)),
        random,
      );
      for (const [name, tensor] of Object.entries(fed)) {
        rows[name] ??= [];
        rows[name].push(tensor);
      }
    }
    const batches = join(scratch, "batches.safetensors");
    await writeSafetensors(
      batches,
      Object.fromEntries(Object.entries(rows).map(([name, all]) => [name, stacked(all)])),
    );
    await lesson.close();
    return {
      config: join(dirname(model.unet.configFile), "config.json"),
      weights,
      batches,
      prediction: model.noise.prediction,
    };
  } finally {
    await runtime.close();
  }
}

function stacked(tensors) {
  const values = new Float32Array(tensors.length * tensors[0].data.length);
  for (const [k, { data }] of tensors.entries()) values.set(data, k * data.length);
  return float32([tensors.length, ...tensors[0].shape], values);
}

/** One process from its start to its end. */
async function measure(argv, { threads, steps }) {
  const { result, seconds, ...share } = await timed(
    [process.pid],
    () => runWatched(argv, threads),
    ({ computed }) => computed,
  );
  const { code, output, errors, resident, anonymous } = result;
  if (code !== 0) throw new Missing(`${argv[1]} ended with ${code}:\n${(errors || output).slice(-2000)}`);
  const said = JSON.parse(output.trimEnd().split("\n").at(-1));
  if (said.step_s.length !== steps) throw new Error(`${said.step_s.length} of ${steps} steps were taken.`);
  return { ...said, seconds, resident, anonymous, ...share };
}

/** The first step of each run fills caches, and compiles: it does not count. */
function rowOf(engine, runs, batch) {
  const quiet = runs.filter(isQuiet);
  const used = quiet.length > 0 ? quiet : runs;
  const step = median(used.flatMap(({ step_s }) => step_s.slice(1)));
  const most = (key) => Math.max(...runs.map((run) => run[key])) / 1024;
  return {
    engine,
    step,
    speed: batch / step,
    resident: most("resident"),
    anonymous: most("anonymous"),
    quiet: quiet.length,
  };
}

function cellsOf([own, ...others]) {
  const head = ["engine", "step s", "images/s", "× ours", "peak GiB", "× ours", "of it anonymous", "quiet runs"];
  const cells = [own, ...others].map((row) => [
    row.engine,
    row.step.toFixed(3),
    row.speed.toFixed(2),
    (row.step / own.step).toFixed(2),
    row.resident.toFixed(2),
    (row.resident / own.resident).toFixed(2),
    row.anonymous.toFixed(2),
    `${row.quiet}`,
  ]);
  return [head, ...cells];
}

/** The losses of each engine's first run over the steps. */
async function plot(path, runs) {
  const points = [...runs].flatMap(([line, [{ losses }]]) => losses.map((y, k) => ({ x: k + 1, y, line })));
  const highest = Math.max(...points.map(({ y }) => y));
  await writeLinePlot(path, { points, x: "step", y: "loss", domain: [0, highest], dots: false, under: "inkling" });
}
