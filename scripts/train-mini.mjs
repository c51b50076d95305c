/**
 * Trains the small model of models/recipe.mini.json on drawn shapes, through `inkling train diffusion`, and judges what it
 * draws: coloured shapes whose pairs of colour and shape it never saw, by rules on pixels. Beside it the same of the model
 * before it learns.
 *
 *   npm run train:mini [-- --out out/mini --config models/recipe.mini.json --pictures 240]
 *
 * A run that is in the folder already goes on. Writes heldout.png into it. Prints shares; the last line is JSON.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { contactSheet, encodePicture } from "../dist/image/index.js";
import { load } from "../dist/index.js";
import { judgeShape, shapeCaption, shapePairs } from "../dist/training/index.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const { out, config, pictures } = parseArgs({
  options: {
    out: { type: "string", default: join(root, "out", "mini") },
    config: { type: "string", default: join(root, "models", "recipe.mini.json") },
    pictures: { type: "string", default: "240" },
  },
}).values;
const recipe = JSON.parse(readFileSync(config, "utf8"));

const start = performance.now();
if (!existsSync(join(out, `checkpoint-${recipe.steps}`)))
  train(out, ...(existsSync(join(out, "logs")) ? ["--resume"] : []));
const minutes = (performance.now() - start) / 60_000;

// Its first step is taken at a rate of 0: fresh weights.
const untrained = mkdtempSync(join(tmpdir(), "inkling-untrained-"));
train(join(untrained, "model"), "--steps", "1", "--warm-up", "1", "--batch", "1", "--quiet");

const before = await judge(join(untrained, "model"), Number(pictures));
rmSync(untrained, { recursive: true });
const after = await judge(out, Number(pictures), join(out, "heldout.png"));
console.log(`\ntrained in ${minutes.toFixed(1)} minutes; pairs that it never saw:`);
for (const [pair, { right, of }] of Object.entries(after.pairs)) console.log(`  ${pair}: ${right} of ${of}`);
for (const [name, { both, color, shape, of }] of Object.entries({ trained: after, untrained: before })) {
  const shares = [`${percent(both)} right`, `the colour in ${percent(color)}`, `the shape in ${percent(shape)}`];
  console.log(`${name}: ${shares.join(", ")} of ${of} pictures`);
}
console.log(JSON.stringify({ minutes, trained: after, untrained: before }));

function train(folder, ...options) {
  const command = [join(root, "dist", "cli", "index.js"), "train", "diffusion", "--config", config, "--out", folder];
  const { status } = spawnSync(process.execPath, [...command, ...options], { stdio: ["ignore", 2, 2] });
  if (status !== 0) process.exit(status ?? 1);
}

/** What of `count` pictures of held-out pairs is right; picture number i has seed i. */
async function judge(model, count, sheet) {
  const all = shapePairs({ ...recipe.data.shapes, split: "heldout" });
  const drawer = await load(model, { prepared: false });
  const [cells, pairs, right] = [[], {}, { both: 0, color: 0, shape: 0 }];
  for (let seed = 0; seed < count; seed++) {
    const wanted = all[seed % all.length];
    const prompt = shapeCaption(wanted);
    const { images } = await drawer.generate({ prompt, seed });
    const seen = judgeShape(images[0]);
    const [color, shape] = [seen.color === wanted.color, seen.shape === wanted.shape];
    pairs[prompt] ??= { right: 0, of: 0 };
    pairs[prompt].of++;
    if (color && shape) pairs[prompt].right++;
    for (const [key, value] of Object.entries({ both: color && shape, color, shape })) right[key] += value ? 1 : 0;
    const said = `${seen.color ?? "no colour"}, ${seen.shape ?? "no shape"}`;
    if (cells.length < 48) cells.push({ picture: images[0], caption: color && shape ? prompt : `${prompt}: ${said}` });
  }
  await drawer.close();
  if (sheet) writeFileSync(sheet, await encodePicture(await contactSheet(cells, { columns: 12, side: 96 }), "png"));
  const shares = Object.fromEntries(Object.entries(right).map(([key, value]) => [key, value / count]));
  return { ...shares, of: count, pairs };
}

function percent(share) {
  return `${Math.round(1000 * share) / 10} %`;
}
