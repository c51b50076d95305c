/**
 * How far the forms in which convolutions are computed lead from each other over a whole walk: latents after every step, each
 * form held against the runtime's own kernel ("direct"), in units of the latents' standard deviation.
 *
 *   node bench/forms.mjs [MODEL] [--size 256] [--steps 25] [--seed 1] [--forms auto,winograd-2]
 */
import { parseArgs } from "node:util";
import { load } from "../dist/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: "string", default: "256" },
    steps: { type: "string", default: "25" },
    seed: { type: "string", default: "1" },
    forms: { type: "string", default: "auto" },
  },
});
const [size, steps, seed] = [values.size, values.steps, values.seed].map(Number);

async function walk(form) {
  const inkling = await load(positionals[0], { convolutions: form === "auto" ? {} : { form } });
  const latents = [];
  try {
    const settings = { prompt: "a red fox in the snow", width: size, height: size, steps, seed };
    for await (const event of inkling.stream(settings)) {
      if (event.type === "step") latents.push(Float32Array.from(event.latents.data));
      if (event.type === "decode") break;
    }
  } finally {
    await inkling.close();
  }
  return latents;
}

function distance(a, b) {
  let [worst, squares, sum, sumOfSquares] = [0, 0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const d = a[i] - b[i];
    worst = Math.max(worst, Math.abs(d));
    squares += d * d;
    sum += b[i];
    sumOfSquares += b[i] * b[i];
  }
  const std = Math.sqrt(sumOfSquares / b.length - (sum / b.length) ** 2);
  return { worst: worst / std, rms: Math.sqrt(squares / a.length) / std };
}

const direct = await walk("direct");
for (const form of values.forms.split(",")) {
  const latents = await walk(form);
  console.log(`${form} against direct, units of the latents' deviation`);
  for (const [i, found] of latents.entries()) {
    const { worst, rms } = distance(found, direct[i]);
    if (i === 0 || (i + 1) % 5 === 0) {
      console.log(
        `  step ${String(i + 1).padStart(3)}: largest ${worst.toExponential(1)}, rms ${rms.toExponential(1)}`,
      );
    }
  }
}
