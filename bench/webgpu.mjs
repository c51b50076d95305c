/**
 * What a U-Net is on WebGPU: the operations of a step as they are written for a device, by what the device can do; and what a
 * step moves beside the U-Net's work, where latents cross to this process and back, and where they stay on the device. Works with a software
 * adapter (VK_ICD_FILENAMES) as well, whose times say nothing but that.
 *
 *   npm run build && node bench/webgpu.mjs [model] --size 512
 */
import { parseArgs } from "node:util";
import { Graph, inFloat16, lowerFor, toOnnx, weightsOf } from "../dist/graph/index.js";
import { latentSums, repeated, unetConfig, unetParts } from "../dist/models/index.js";
import { modelFacts } from "../dist/pipelines/facts.js";
import { median } from "../dist/pipelines/timing.js";
import { createProcessRuntime } from "../dist/runtime/index.js";
import { float32 } from "../dist/tensor/index.js";

const RUNS = 200;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { size: { type: "string", default: "512" } },
});
const { checkpoint, scale, name } = await modelFacts(positionals[0], {});
const config = unetConfig(checkpoint.unet.config, checkpoint.unet.configFile);
const side = Number(values.size) / scale;
const { whole, rest } = unetParts(config, { height: side, width: side });

/** Nodes that depend on an input, and are more than another view of the same numbers. */
function operations(graph) {
  const live = new Set(graph.inputs);
  const all = graph.nodes.filter(({ inputs, outputs }) => {
    const depends = inputs.some((value) => live.has(value));
    if (depends) for (const value of outputs) live.add(value);
    return depends;
  });
  return all.filter(({ op }) => op !== "Reshape").length;
}

console.log(`${name}, ${values.size}×${values.size}: operations of a step`);
const own = new Set(whole.inputs.map(({ name: input }) => input));
const handed = rest.inputs.map(({ name: input }) => input).filter((input) => !own.has(input));
for (const [what, right, half] of [
  ["attention written out", false, false],
  ["the runtime's own attention", true, false],
  ["and 16-bit floats", true, true],
]) {
  const attends = () => right;
  const graph = half ? inFloat16(rest, { attends, handed }) : rest;
  console.log(`  ${what.padEnd(28)} ${operations(lowerFor("webgpu", graph, { attends }))}`);
}

const runtime = createProcessRuntime({ device: "webgpu" });
const open = (graph, keep) =>
  runtime.createSession(toOnnx(lowerFor("webgpu", graph), weightsOf(new Map())), { keep, prepare: false });
const latent = [1, config.in_channels, side, side];
const size = latent.reduce((product, length) => product * length, 1);
const numbers = (shape) => float32(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.01));

/** Runs what a step moves again and again; it says how many bytes that was. */
async function time(what, step) {
  const times = [];
  let bytes = 0;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    bytes = await step();
    times.push(performance.now() - start);
  }
  console.log(`  ${what.padEnd(28)} ${String(bytes).padStart(7)} bytes  ${median(times).toFixed(2)} ms`);
}

console.log(`what moves at a step beside the U-Net's work, with a prompt and its negative`);
const crossing = new Graph("crossing");
crossing.output("sample", crossing.input("x", "float32", latent));
crossing.output("y", crossing.input("predictions", "float32", [2, ...latent.slice(1)]));
const there = await open(repeated([2, ...latent.slice(1)], 1), ["y"]);
const { y: rows } = (await there.runKeeping({ x: numbers([2, ...latent.slice(1)]) })).kept;
const across = await open(crossing, ["sample"]);
await time("latents cross", async () => {
  const { kept } = await across.runKeeping({ x: numbers(latent), predictions: rows });
  kept.sample.dispose();
  return 4 * (size + 2 * size);
});

// A walk of 25 steps: where it starts, and 25 predictions.
const vectors = 26;
const shape = { latent, vectors, rows: 2 };
const keep = ["next.vectors", "sample"];
const [first, next] = [
  await open(latentSums({ ...shape, begun: false }), keep),
  await open(latentSums({ ...shape, begun: true }), keep),
];
const placed = { rows, shares: numbers([2, 1]), place: numbers([vectors, 1]), weights: numbers([vectors, 1]) };
let { kept } = await first.runKeeping(placed);
await time("latents stay", async () => {
  const before = kept;
  ({ kept } = await next.runKeeping({ ...placed, vectors: before["next.vectors"] }));
  for (const tensor of Object.values(before)) tensor.dispose();
  return 4 * (2 + 2 * vectors + 1);
});
await runtime.close();
