/**
 * How far the embedded model's pictures still move when it takes more steps: samplers and step counts against 100 steps
 * of DPM++ 2M.
 *
 *   node bench/defaults.mjs [STEPS …]       (after npm run build; 8 and 12 where none are given)
 *
 * Prints the mean PSNR over four prompts, best first. An hour's patience helps on a small machine.
 */
import { readFile } from "node:fs/promises";
import { load } from "../dist/index.js";
import { psnr } from "./picture-distance.mjs";

const PROMPTS = [0, 11, 26, 55];
const LINSPACE = "DPMSolverMultistepScheduler";

/** Label → settings. diffusers' classes space their steps as their own defaults and the checkpoint's config say. */
const SAMPLERS = {
  "DPM++ 2M, Karras": { sampler: "DPM++ 2M", schedule: "Karras" },
  "DPM++ 2M, linspace": { sampler: LINSPACE },
  "DPM++ 2M, trailing": { sampler: LINSPACE, schedulerConfig: { timestep_spacing: "trailing" } },
  DEIS: { sampler: "DEISMultistepScheduler" },
  UniPC: { sampler: "UniPCMultistepScheduler" },
  Euler: { sampler: "EulerDiscreteScheduler" },
  "DDIM, leading": { sampler: "DDIMScheduler" },
  "DDIM, trailing": { sampler: "DDIMScheduler", schedulerConfig: { timestep_spacing: "trailing" } },
};

const counts = process.argv.slice(2).map(Number);
const all = JSON.parse(await readFile(new URL("embedded-prompts.json", import.meta.url), "utf8"));
const inkling = await load();
const drawAll = async (settings) => {
  const pictures = [];
  for (const seed of PROMPTS) {
    const { images } = await inkling.generate({ ...settings, prompt: all[seed], seed });
    pictures.push(images[0]);
  }
  return pictures;
};

const reference = await drawAll({ sampler: LINSPACE, steps: 100 });
const rows = [];
for (const steps of counts.length > 0 ? counts : [8, 12]) {
  for (const [label, settings] of Object.entries(SAMPLERS)) {
    const pictures = await drawAll({ ...settings, steps });
    const ratios = pictures.map((picture, i) => psnr(picture, reference[i]));
    rows.push({ label, steps, mean: ratios.reduce((a, b) => a + b) / ratios.length });
  }
}
await inkling.close();
for (const { label, steps, mean } of rows.sort((a, b) => b.mean - a.mean)) {
  console.log(`${mean.toFixed(1)} dB  ${steps} steps  ${label}`);
}
