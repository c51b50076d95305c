// A sampler of one's own beside two built-in ones, on a model that is a formula: node examples/sampler.mjs
import { alphasCumprod, betas, createWalk, logSigmaAt, noiseTable } from "inkling/diffusion";
import { createGenerator } from "inkling/tensor";

// The data is normal, N(mu, s²): what lies behind noisy x is then known, and so is where each walk has to end.
const [mu, s] = [3, 0.5];
const denoise = (x, sigma) => (mu * sigma ** 2 + s ** 2 * x) / (sigma ** 2 + s ** 2);
const config = { beta_schedule: "scaled_linear", beta_start: 0.00085, beta_end: 0.012 };
const table = noiseTable(alphasCumprod(betas("scaled_linear", { steps: 1000, start: 0.00085, end: 0.012 })));

/** The formula as a network: it sees x scaled to unit variance and a timestep, and predicts the noise. */
async function predict(input, timestep) {
  const sigma = logSigmaAt(table, timestep);
  const x = input.map((value) => value * Math.hypot(1, sigma));
  return x.map((value) => (value - denoise(value, sigma)) / sigma);
}

/** Heun's method (Karras et al. 2022, algorithm 2 without churn). */
function heun(x, sigmas) {
  for (const [i, sigma] of sigmas.slice(0, -1).entries()) {
    const next = sigmas[i + 1];
    const slope = (x - denoise(x, sigma)) / sigma;
    const reached = x + slope * (next - sigma);
    x = next === 0 ? reached : x + ((slope + (reached - denoise(reached, next)) / next) / 2) * (next - sigma);
  }
  return x;
}
const noise = createGenerator("cpu", 1).randn(1000);
for (const steps of [5, 10, 20, 40]) {
  const errors = {};
  for (const sampler of ["Euler", "DPM++ 2M"]) {
    const walk = createWalk({ sampler, schedule: "Karras", steps, config });
    const initial = noise.map((x) => x * walk.initNoiseSigma);
    const exact = initial.map((x) => mu + ((x - mu) * s) / Math.hypot(s, walk.initNoiseSigma));
    const worst = (found) => Math.max(...found.map((value, i) => Math.abs(value - exact[i])));
    for await (const { latents } of walk.run(predict, initial, () => noise)) errors[sampler] = worst(latents);
    errors["own Heun"] ??= worst(initial.map((x) => heun(x, walk.sigmas)));
  }
  console.log(`worst error after ${steps} steps: ${JSON.stringify(errors)}`);
}
