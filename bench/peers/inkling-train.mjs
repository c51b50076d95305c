/**
 * A noise predictor that learns here, as `inkling train` teaches it. Argument and output as those of torch_train.py, with
 * "gradient_checkpointing" beside them.
 */
import { unetConfig } from "../../dist/models/index.js";
import { createProcessRuntime } from "../../dist/runtime/index.js";
import { float32, sizeOf } from "../../dist/tensor/index.js";
import { createTrainer, diffusionLoss } from "../../dist/training/index.js";
import { readJson, readSafetensors, readTensor } from "../../dist/weights/index.js";

const given = JSON.parse(process.argv[2]);
const config = unetConfig(await readJson(given.config), given.config);
const batches = await numbersOf(given.batches);
const { latents, encoder_hidden_states: words } = batches;
const [, batch, , height, width] = latents.shape;
const loss = diffusionLoss(
  { unet: config, prediction: given.prediction },
  { batch, height, width, tokens: words.shape[2] },
);
const runtime = createProcessRuntime({ device: "cpu", threads: given.threads, freed: "kept" });
const trainer = await begin();

const [seconds, losses] = [[], []];
for (let k = 0; k < given.steps; k++) {
  const fed = Object.fromEntries(Object.entries(batches).map(([name, all]) => [name, row(all, k)]));
  const start = performance.now();
  const { loss } = await trainer.step(fed, given.learning_rate);
  seconds.push((performance.now() - start) / 1000);
  losses.push(loss);
}
await trainer.close();
await runtime.close();
console.log(JSON.stringify({ step_s: seconds, losses }));

/** In a scope of its own, so that nothing holds the first weights. */
async function begin() {
  const weights = await numbersOf(given.weights);
  const initial = (name) => weights[name.replace(/^unet\./, "")].data;
  return createTrainer(loss, initial, runtime, { gradientCheckpointing: given.gradient_checkpointing });
}

async function numbersOf(file) {
  const { tensors } = await readSafetensors(file);
  return Object.fromEntries(await Promise.all([...tensors].map(async ([name, at]) => [name, await readTensor(at)])));
}

function row({ shape, data }, k) {
  const size = sizeOf(shape.slice(1));
  return float32(shape.slice(1), data.slice(k * size, (k + 1) * size));
}
