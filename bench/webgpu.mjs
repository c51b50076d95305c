/**
 * What a U-Net is on WebGPU: the operations of a step as they are written for a device, by what the device can do; and how long it
 * takes to bring as many numbers as a step does to the device and back, with nothing computed in between. Works with a software
 * adapter (VK_ICD_FILENAMES) as well, whose times say nothing but that.
 *
 *   npm run build && node bench/webgpu.mjs [model] --size 512
 */
import { parseArgs } from "node:util";
import { Graph, inFloat16, lowerFor, toOnnx, weightsOf } from "../dist/graph/index.js";
import { unetConfig, unetParts } from "../dist/models/index.js";
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
const graph = new Graph("crossing");
graph.output("y", graph.input("x", "float32", [2, config.in_channels, side, side]));
const session = await runtime.createSession(toOnnx(graph, weightsOf(new Map())));
const length = 2 * config.in_channels * side * side;
const x = float32([2, config.in_channels, side, side], new Float32Array(length).fill(0.5));
const times = [];
for (let run = 0; run < RUNS; run++) {
  const start = performance.now();
  await session.run({ x });
  times.push(performance.now() - start);
}
await runtime.close();
console.log(`${(4 * length) / 1024} KiB to the device and back: ${median(times).toFixed(2)} ms`);
