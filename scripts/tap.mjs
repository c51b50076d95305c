/**
 * Writes what every block of a U-Net comes to in the first call of a traced picture, under the block's name in the
 * checkpoint ("down_blocks.0.resnets.1"). Compare the file (scripts/compare.mjs) with another
 * device's, or with what forward hooks on the modules of those names record in another program.
 * usage: node scripts/tap.mjs model trace.safetensors out.safetensors [device, cpu]
 */
import { lower, lowerings, toOnnx } from "inkling/graph";
import { unet, unetConfig } from "inkling/models";
import { createProcessRuntime } from "inkling/runtime";
import { float32, InputError } from "inkling/tensor";
import { openCheckpoint, readSafetensors, readTensor, writeSafetensors } from "inkling/weights";

const [model, trace, out, device = "cpu"] = process.argv.slice(2);
if (!out) throw new InputError("usage: node scripts/tap.mjs model trace.safetensors out.safetensors [device]");
const { tensors } = await readSafetensors(trace);
const [noise, timesteps, words] = await Promise.all(
  ["noise", "timesteps", "embeddings.cond"].map((name) => readTensor(tensors.get(name))),
);
const { unet: part } = await openCheckpoint(model);
const [batch, , height, width] = noise.shape;
const graph = unet(unetConfig(part.config), { height, width });
for (const path of graph.scopes.keys()) graph.tap(path);

const weightOf = (name) => {
  const [values, scale] = [part.weights.get(name), part.weights.get(`${name}.scale`)];
  return scale ? { values, scale } : values;
};
const runtime = createProcessRuntime({ device });
const session = await runtime.createSession(toOnnx(lower(graph, lowerings[device]), weightOf));
const results = await session.run({
  sample: noise,
  timestep: float32([batch], new Float32Array(batch).fill(Number(timesteps.data[0]))),
  encoder_hidden_states: words,
});
// A scope ends after those inside of it, so this is the order of computation.
const order = [...graph.scopes.keys(), "out_sample"];
await writeSafetensors(out, results, { order: JSON.stringify(order) });
await runtime.close();
console.log(`${out}: ${order.length} outputs`);
