/**
 * Fits the linear map from a model's latents to colours that its previews are drawn with (previewFactors in
 * inkling.json).
 *
 *   node scripts/fit-preview.mjs [MODEL]       (after npm run build)
 *
 * Least squares over the places of 32 pictures: latents (and 1) against the decoded picture's mean colour there, −1…1.
 */
import { readFile } from "node:fs/promises";
import { load } from "../dist/index.js";

const PICTURES = 32;
/** The map knows one place at a time, so small pictures tell as much about it as large ones. */
const EASY = { width: 128, height: 128, steps: 10 };
const prompts = JSON.parse(await readFile(new URL("../bench/embedded-prompts.json", import.meta.url), "utf8"));
const inkling = await load(process.argv[2]);

/** Rows of [latents…, 1 | red, green, blue]. */
const rows = [];
let latents;
for (let i = 0; i < PICTURES; i++) {
  const prompt = prompts[Math.floor((i * prompts.length) / PICTURES)];
  for await (const event of inkling.stream({ ...EASY, prompt, seed: i })) {
    if (event.type === "step") latents = event.latents;
    if (event.type === "image") rows.push(...placesOf(latents, event.pixels));
  }
}
await inkling.close();

const channels = latents.shape[1];
const factors = leastSquares(rows, channels + 1, 3);
for (const row of factors) console.log(`[${row.map((x) => x.toFixed(3)).join(", ")}],`);
console.log(`left over: ${rootMeanSquare(rows, factors).toFixed(3)} of a colour's 2`);

function* placesOf({ shape: [, c, height, width], data }, pixels) {
  const scale = pixels.shape[2] / height;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = Array.from({ length: c }, (_, channel) => data[(channel * height + y) * width + x]);
      yield [...place, 1, ...[0, 1, 2].map((color) => 2 * meanColor(pixels, color, x * scale, y * scale, scale) - 1)];
    }
  }
}

function meanColor({ shape: [, , height, width], data }, color, left, top, side) {
  let sum = 0;
  for (let y = top; y < top + side; y++) {
    for (let x = left; x < left + side; x++) sum += data[(color * height + y) * width + x];
  }
  return sum / side ** 2;
}

/** Solves (XᵀX) F = XᵀY by Gauss-Jordan elimination; X and Y stand side by side in the rows. */
function leastSquares(rows, inputs, outputs) {
  const matrix = Array.from({ length: inputs }, (_, i) =>
    Array.from({ length: inputs + outputs }, (_, j) => rows.reduce((sum, row) => sum + row[i] * row[j], 0)),
  );
  for (let i = 0; i < inputs; i++) {
    const pivot = matrix[i][i];
    matrix[i] = matrix[i].map((x) => x / pivot);
    for (let k = 0; k < inputs; k++) {
      if (k !== i) matrix[k] = matrix[k].map((x, j) => x - matrix[k][i] * matrix[i][j]);
    }
  }
  return matrix.map((row) => row.slice(inputs));
}

function rootMeanSquare(rows, factors) {
  let sum = 0;
  for (const row of rows) {
    factors[0].forEach((_, color) => {
      const guess = factors.reduce((total, factor, i) => total + row[i] * factor[color], 0);
      sum += (row[factors.length + color] - guess) ** 2;
    });
  }
  return Math.sqrt(sum / rows.length / 3);
}
