/**
 * onnxruntime-node with the graphs that export.py wrote: what JavaScript has without us. Euler, as many evaluations as
 * the others. Takes and prints what picture.py does.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const given = JSON.parse(process.argv[2]);
const require = createRequire(`${given.modules}/`);
const ort = require("onnxruntime-node");

async function timed(work) {
  const start = performance.now();
  const value = await work();
  return [value, (performance.now() - start) / 1000];
}

async function open(name) {
  const session = await ort.InferenceSession.create(join(given.folder, "onnx", `${given.size}`, `${name}.onnx`), {
    intraOpNumThreads: given.threads,
    graphOptimizationLevel: "all",
  });
  return async (...inputs) => {
    const feeds = Object.fromEntries(session.inputNames.map((input, i) => [input, inputs[i]]));
    return (await session.run(feeds))[session.outputNames[0]];
  };
}

const [unet, vae, text] = [await open("unet"), await open("vae"), await open("text")];
const config = (part) => JSON.parse(readFileSync(join(given.folder, part, "config.json"), "utf8"));

// Which tokens they are makes no difference: the first, a few words, the last.
const { vocab_size: vocabulary } = config("text_encoder");
const ids = new BigInt64Array(2 * 77).fill(BigInt(vocabulary - 1));
ids[0] = ids[77] = BigInt(vocabulary - 2);
for (let i = 1; i < 15; i++) ids[77 + i] = BigInt(300 + 17 * i);
const tokens = new ort.Tensor("int64", ids, [2, 77]);
const texts = [await timed(() => text(tokens)), await timed(() => text(tokens))];
const words = texts[0][0];

// Stable Diffusion's noise levels, of every 1000 / steps-th timestep.
const sigmaOf = [];
let product = 1;
for (let i = 0; i < 1000; i++) {
  product *= 1 - (Math.sqrt(0.00085) + ((Math.sqrt(0.012) - Math.sqrt(0.00085)) * i) / 999) ** 2;
  sigmaOf.push(Math.sqrt((1 - product) / product));
}
const times = Array.from({ length: given.steps }, (_, i) => Math.floor(((given.steps - 1 - i) * 1000) / given.steps));
const sigmas = [...times.map((t) => sigmaOf[t]), 0];

const side = given.size / 8;
const count = 4 * side * side;
let x = Float32Array.from({ length: count }, () => {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()) * sigmas[0];
});

async function predict(i) {
  const both = new Float32Array(2 * count);
  const scale = 1 / Math.sqrt(sigmas[i] ** 2 + 1);
  for (let k = 0; k < count; k++) both[k] = both[count + k] = x[k] * scale;
  const sample = new ort.Tensor("float32", both, [2, 4, side, side]);
  const { data } = await unet(sample, new ort.Tensor("float32", [times[i]], []), words);
  return x.map((_, k) => data[k] + given.cfg * (data[count + k] - data[k]));
}

const [, warm] = await timed(() => predict(0));
const steps = [];
for (let i = 0; i < given.measure; i++) {
  const [, seconds] = await timed(async () => {
    const noise = await predict(i);
    x = x.map((value, k) => value + noise[k] * (sigmas[i + 1] - sigmas[i]));
  });
  steps.push(seconds);
}
const { scaling_factor: factor = 0.18215 } = config("vae");
const decode = () =>
  vae(
    new ort.Tensor(
      "float32",
      x.map((value) => value / factor),
      [1, 4, side, side],
    ),
  );
const pictures = [await timed(decode), await timed(decode)];
const { version } = JSON.parse(readFileSync(require.resolve("onnxruntime-node/package.json"), "utf8"));
console.log(
  JSON.stringify({
    encode_s: texts.map(([, seconds]) => seconds),
    warm_s: warm,
    step_s: steps,
    decode_s: pictures.map(([, seconds]) => seconds),
    finite: pictures[0][0].data.every(Number.isFinite),
    versions: `onnxruntime-node ${version}`,
  }),
);
process.exit(0);
