/**
 * How far each shortcut moves the embedded model's pictures, and what it saves: the guard of the goal "fast".
 *
 *   node bench/drift.mjs FOLDER [--only NAME,…] [--count N] [--sheets] [--no-judge] [--no-time]    (after npm run build)
 *
 * Draws 24 prompts of bench/embedded-prompts.json (or `--count`) without shortcuts ("exact") and with each, into
 * FOLDER/<name>/ what is not there yet, so that an interrupted run goes on; prompt i has seed i. Prints the median
 * PSNR and SSIM of the pairs, and by how much of its value the CLIP score fell; then draws a few prompts again, exact and
 * shortcuts in turn, for the speed. `--sheets` writes FOLDER/<name>.png, exact left of the shortcut.
 *
 * Exit code 1 where a shortcut that the goal holds, or the goal as a whole, is beyond a bound.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { encodePicture, saveBytes } from "../dist/image/index.js";
import { clipScore, goalOf, openClip, readPicture } from "../dist/index.js";
import { open } from "../dist/pipelines/inkling.js";
import { cutOf, textToImage } from "../dist/pipelines/text-to-image.js";
import { median } from "../dist/pipelines/timing.js";
import { writeContactSheet } from "./contact-sheet.mjs";
import { beyondBounds, driftOf, mean } from "./drift-bounds.mjs";
import { children, describeMachine, timed } from "./machine.mjs";
import { psnr, ssim } from "./picture-distance.mjs";

/** What the goal "fast" means without any shortcut. */
const EXACT = { steps: 25, width: 256, height: 256 };
const GOAL = goalOf("fast").settings;
/** Of the latents of that size. */
const PLACES = { height: 32, width: 32 };

const SIXTEEN = { steps: 16, deepCache: 2, deepCacheFrom: 0.32, guidanceInterval: [0, 0.7] };
const INTERVAL_AND_DEEP = { guidanceInterval: [0, 0.6], deepCache: 2 };

/** What each shortcut changes of it. */
const SHORTCUTS = {
  "late 0.8": { guidanceInterval: [0, 0.8] },
  "late 0.6": { guidanceInterval: [0, 0.6] },
  "late 0.5": { guidanceInterval: [0, 0.5] },
  "late 0.4": { guidanceInterval: [0, 0.4] },
  "within 0.1–0.7": { guidanceInterval: [0.1, 0.7] },
  "NGMS 1000": { ngms: 1000 },
  "DeepCache 2": { deepCache: 2 },
  "DeepCache 3": { deepCache: 3 },
  "ToMe 0.5": { tokenMerging: 0.5 },
  "16 steps": { steps: 16 },
  "12 steps": { steps: 12 },
  "UniPC 12": { sampler: "UniPC", steps: 12 },
  "both of 16 steps": { steps: 16, guidanceInterval: [0, 0.6], deepCache: 2 },
  "16 steps with DeepCache from 0.32": SIXTEEN,
  "16 steps with DeepCache from 0.32 and late 5": { ...SIXTEEN, deepCacheLate: 5 },
  "late 0.6 and DeepCache 2": INTERVAL_AND_DEEP,
  "late 0.6 and DeepCache 2 late 10": { ...INTERVAL_AND_DEEP, deepCacheLate: 10 },
  "late 0.6 and DeepCache 2 from 0.12 late 10": { ...INTERVAL_AND_DEEP, deepCacheFrom: 0.12, deepCacheLate: 10 },
  "8 bits": { weights: "8bit" },
  "4 bits": { weights: "4bit" },
};

/** Which of the cases are drawn for the speed. */
const TIMED = [0, 8, 16];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  allowNegative: true,
  options: {
    only: { type: "string" },
    count: { type: "string", default: "24" },
    sheets: { type: "boolean" },
    judge: { type: "boolean", default: true },
    time: { type: "boolean", default: true },
  },
});
const [folder] = positionals;
const all = { ...SHORTCUTS, fast: { ...GOAL } };
const names = options.only?.split(",") ?? Object.keys(all);
const unknown = names.find((name) => !Object.hasOwn(all, name));
if (!folder || unknown) {
  if (unknown) console.error(`There is no shortcut "${unknown}": ${Object.keys(all).join(", ")}.`);
  else console.error("Usage: node bench/drift.mjs FOLDER [--only NAME,…] [--count N] [--sheets]");
  process.exit(2);
}
/** Weights are told when a model is opened, all else with each picture. */
const settingsOf = (name) => {
  const { weights: _, ...settings } = { ...EXACT, ...all[name] };
  return settings;
};
/** Whether the goal holds all that a shortcut changes. DeepCache is one shortcut of several settings: in the goal as a whole or not. */
const inGoal = (name) => {
  const form = all[name].deepCache === undefined ? {} : { deepCacheFrom: undefined, deepCacheLate: undefined };
  return Object.entries({ ...form, ...all[name] }).every(
    ([key, value]) => JSON.stringify(GOAL[key]) === JSON.stringify(value),
  );
};

const texts = JSON.parse(await readFile(new URL("embedded-prompts.json", import.meta.url), "utf8"));
const count = Number(options.count);
const cases = Array.from({ length: count }, (_, i) => Math.floor((i * texts.length) / count)).map((seed) => ({
  prompt: texts[seed % texts.length],
  seed,
}));
const fileOf = (name, { seed }) => join(folder, name, `${String(seed).padStart(4, "0")}.png`);

const models = new Map();
const model = await modelFor("exact");
await drawMissing();
const kept = options.judge ? await judge() : true;
if (options.time) await time();
for (const { runtime } of models.values()) await runtime.close();
process.exitCode = kept ? 0 : 1;

/** The model with its weights in the form that the shortcut wants. */
async function modelFor(name) {
  const { weights = "float32" } = all[name] ?? {};
  if (!models.has(weights)) models.set(weights, await open(undefined, { device: "cpu", weights }));
  return models.get(weights);
}

/** The picture, and how many evaluations of the U-Net it took, of all of it and of its shallow part. */
async function draw(name, { prompt, seed }) {
  const model = await modelFor(name);
  const evaluations = { whole: 0, shallow: 0 };
  const noisePredictor = (...cut) => {
    const unet = model.networks.noisePredictor(...cut);
    const rounds = new Map();
    const predict = (feeds, ...rest) => {
      const { round, words } = feeds;
      const reused = round !== undefined && words.every((told) => rounds.get(told) === round);
      for (const told of words) rounds.set(told, round);
      evaluations[reused ? "shallow" : "whole"] += words.length;
      return unet.predict(feeds, ...rest);
    };
    return { ...unet, predict };
  };
  const networks = { ...model.networks, noisePredictor };
  const settings = model.resolve({ ...settingsOf(name), prompt, seed });
  for await (const event of textToImage(settings, { ...model.facts, networks, tokenizer: model.tokenizer })) {
    if (event.type === "image") return { image: event.image, evaluations };
  }
}

async function drawMissing() {
  for (const name of ["exact", ...names]) {
    await mkdir(join(folder, name), { recursive: true });
    for (const each of cases.filter((each) => !existsSync(fileOf(name, each)))) {
      const { image } = await draw(name, each);
      await saveBytes(fileOf(name, each), await encodePicture(image, "png"));
    }
  }
}

/** Prints a line for each shortcut. Whether all that the goal holds is within its bounds. */
async function judge() {
  const clip = await openClip(undefined, { runtime: model.runtime });
  const words = await clip.embedTexts(cases.map(({ prompt }) => prompt));
  const read = (name) => Promise.all(cases.map((each) => readPicture(fileOf(name, each))));
  const scoresOf = async (pictures) => (await clip.embedPictures(pictures)).map((seen, i) => clipScore(seen, words[i]));
  const exact = await read("exact");
  const scores = await scoresOf(exact);
  console.log(`${cases.length} pictures each; exact: CLIP score ${mean(scores).toFixed(2)}`);
  console.log("shortcut\tPSNR\tSSIM\tleast SSIM\tCLIP score fell by\tat most (95 %)\tin fast");
  let kept = true;
  for (const name of names) {
    const pictures = await read(name);
    const found = driftOf({
      ratios: pictures.map((picture, i) => psnr(picture, exact[i])),
      likeness: pictures.map((picture, i) => ssim(picture, exact[i])),
      scores: await scoresOf(pictures),
      exact: scores,
    });
    const beyond = beyondBounds(found);
    if (inGoal(name) && beyond.length > 0) kept = false;
    const cells = [
      ...[name, `${found.psnr.toFixed(1)} dB`, found.ssim.toFixed(3), found.leastSsim.toFixed(3)],
      ...[`${found.fall.toFixed(2)} ± ${found.error.toFixed(2)}`, percent(found.most)],
      ...[inGoal(name) ? "yes" : "no", beyond.length > 0 ? `beyond: ${beyond.join(", ")}` : ""],
    ];
    console.log(cells.join("\t").trim());
    if (options.sheets) {
      const pairs = exact.flatMap((picture, i) => [picture, pictures[i]]);
      await writeContactSheet(pairs, join(folder, `${name}.png`), { columns: 12, side: 128 });
    }
  }
  await clip.close();
  return kept;
}

/** Exact and shortcuts in turn, so that whatever else the machine does falls on all of them. */
async function time() {
  const seconds = Object.fromEntries(["exact", ...names].map((name) => [name, []]));
  const evaluations = {};
  const run = await timed([process.pid, ...children()], async () => {
    for (const i of TIMED) {
      for (const name of Object.keys(seconds)) {
        const settings = model.resolve({ ...settingsOf(name), prompt: "" });
        // Each form of the U-Net takes another's place in memory: loading is not what is timed.
        await (await modelFor(name)).networks.prepare(PLACES, { skip: 0, tiled: false, ...cutOf(settings) });
        const start = performance.now();
        evaluations[name] = (await draw(name, cases[i])).evaluations;
        seconds[name].push((performance.now() - start) / 1000);
      }
    }
  });
  console.log(`${describeMachine()}; taken by others: ${percent(run.disturbed)}`);
  console.log("shortcut\tevaluations\tseconds\tspeed-up");
  const usual = median(seconds.exact);
  for (const [name, each] of Object.entries(seconds)) {
    const taken = median(each);
    const { whole, shallow } = evaluations[name];
    const counted = shallow > 0 ? `${whole} + ${shallow} shallow` : whole;
    console.log([name, counted, taken.toFixed(2), `${(usual / taken).toFixed(2)}×`].join("\t"));
  }
}

function percent(share) {
  return `${(100 * share).toFixed(2)} %`;
}
