/**
 * What storing the embedded model in 8 bits costs: 64 fixed prompts, drawn by it and by the float16 weights that it was
 * made from, from the same seeds at its defaults.
 *
 *   node bench/embedded.mjs FLOAT16_FOLDER [SHEET.jpg]       (after npm run build)
 *
 * Prints the PSNR of each pair and the least, middle and greatest; writes a contact sheet with the 8-bit picture left of
 * the other. Prompt number i has seed i.
 */
import { readFile } from "node:fs/promises";
import { load } from "../dist/index.js";
import { median } from "../dist/pipelines/timing.js";
import { writeContactSheet } from "./contact-sheet.mjs";
import { psnr } from "./picture-distance.mjs";

const [folder, sheet] = process.argv.slice(2);
if (!folder) {
  console.error("Usage: node bench/embedded.mjs FLOAT16_FOLDER [SHEET.jpg]");
  process.exit(2);
}

const prompts = JSON.parse(await readFile(new URL("embedded-prompts.json", import.meta.url), "utf8"));
const [embedded, original] = await Promise.all([load(), load(folder)]);
// The float16 folder has no defaults of its own: both get those of the embedded model.
const { steps, guidance, sampler, schedule, width, height } = embedded.facts.defaults;
const settings = { steps, guidance, sampler, schedule, width, height };
console.log(`${width}×${height}, ${steps} steps of ${sampler} ${schedule ?? ""}, guidance ${guidance}`);

const pictures = [];
const ratios = [];
for (const [seed, prompt] of prompts.entries()) {
  const pair = await Promise.all([embedded, original].map((m) => m.generate({ ...settings, prompt, seed })));
  const [a, b] = pair.map(({ images }) => images[0]);
  pictures.push(a, b);
  ratios.push(psnr(a, b));
  console.log(`${ratios.at(-1).toFixed(1).padStart(6)} dB  ${prompt}`);
}
await Promise.all([embedded.close(), original.close()]);

const [least, middle, most] = [Math.min(...ratios), median(ratios), Math.max(...ratios)];
console.log(`PSNR of ${ratios.length}: least ${show(least)}, median ${show(middle)}, greatest ${show(most)}`);
if (sheet) await writeContactSheet(pictures, sheet, { columns: 16, side: 96 });
process.exitCode = middle >= 35 ? 0 : 1;

function show(decibels) {
  return `${decibels.toFixed(1)} dB`;
}
