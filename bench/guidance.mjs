/**
 * How closely the embedded model's pictures agree with their prompts at each guidance scale: held-out combinations of
 * attributes (bench/guidance-prompts.json), each drawn from one seed at every scale, and judged.
 *
 *   node bench/guidance.mjs FOLDER [--plot FILE.png] [SCALE …]  (after npm run build; 1 2 3 4 6 8 12 where none are given)
 *
 * Draws into FOLDER/<scale>/<prompt>.png what is not there yet, so that an interrupted run goes on; then judges. Colours of
 * hair, background and things are right where, of all sentences that differ from the prompt in that colour alone, CLIP finds
 * the prompt the nearest to the picture; sex and eye colour where the captioner names them. Both err: pictures of
 * FOLDER/truth, made to the same attributes by other means and named as the others are, are judged beside the scales where
 * they are there.
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, openCaptioner, openClip } from "../dist/index.js";
import { writeLinePlot } from "./line-plot.mjs";

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { plot: { type: "string" } } });
const [folder, ...given] = positionals;
if (!folder) {
  console.error("Usage: node bench/guidance.mjs FOLDER [--plot FILE.png] [SCALE …]");
  process.exit(2);
}
const scales = given.length > 0 ? given.map(Number) : [1, 2, 3, 4, 6, 8, 12];
const { prompts, values } = JSON.parse(await readFile(new URL("guidance-prompts.json", import.meta.url), "utf8"));
const fill = (template, attributes) =>
  template.replace(/\{(\w+)\}/g, (_, name) => attributes[name]).replace(/\ba (?=[aeiou])/g, "an ");
const nameOf = (scale, i) => join(folder, `${scale}`, `${String(i).padStart(2, "0")}.png`);

/** By the captioner's words; the others by CLIP. */
const TOLD = {
  sex: (caption) =>
    /\b(wo(man|men)|lady|girl)\b/.test(caption) ? "woman" : /\b(m[ae]n|guy|boy)\b/.test(caption) ? "man" : "",
  eye: (caption) => (/(\w+)(?: eyes|-eyed)/.exec(caption)?.[1] ?? "").replace("grey", "gray"),
};
const ATTRIBUTES = { hair: "hair colour", bg: "background", color: "colour of a thing", eye: "eye colour", sex: "sex" };

await drawMissing();
const table = await judgeAll();
console.log(["guidance", ...Object.values(ATTRIBUTES)].join("\t"));
for (const { scale, right } of table) {
  console.log(
    [scale, ...Object.keys(ATTRIBUTES).map((name) => `${Math.round(100 * share(right[name]))} %`)].join("\t"),
  );
}
if (options.plot) await plot(options.plot);

/** A line for each attribute; a short dash at the right where pictures of known truth come to. */
async function plot(path) {
  const points = table.flatMap(({ scale, right }) =>
    Object.entries(ATTRIBUTES).map(([name, label]) => ({ x: scale, y: 100 * share(right[name]), line: label })),
  );
  await writeLinePlot(path, {
    points: points.filter(({ x }) => x !== "truth"),
    marks: points.filter(({ x }) => x === "truth"),
    x: "guidance scale",
    y: "named right, % of pictures",
  });
}

async function drawMissing() {
  const missing = scales.flatMap((scale) =>
    prompts.map((prompt, seed) => ({ scale, seed, ...prompt })).filter(({ seed }) => !existsSync(nameOf(scale, seed))),
  );
  if (missing.length === 0) return;
  const inkling = await load();
  for (const [done, { scale, seed, template, attributes }] of missing.entries()) {
    await mkdir(join(folder, `${scale}`), { recursive: true });
    const prompt = fill(template, attributes);
    const { images } = await inkling.generate({ prompt, seed, guidance: scale });
    await images[0].save(nameOf(scale, seed));
    if (done % 8 === 0) console.error(`${done + 1} of ${missing.length}: ${prompt}, guidance ${scale}`);
  }
  await inkling.close();
}

async function judgeAll() {
  const captioner = await openCaptioner();
  const clip = await openClip();
  const rows = [];
  for (const scale of [...scales, ...(existsSync(join(folder, "truth")) ? ["truth"] : [])]) {
    const right = Object.fromEntries(Object.keys(ATTRIBUTES).map((name) => [name, []]));
    for (const [i, { template, attributes }] of prompts.entries()) {
      const [image] = await clip.embedPictures([nameOf(scale, i)]);
      const [{ text }] = "sex" in attributes ? await captioner.caption(nameOf(scale, i)) : [{ text: "" }];
      for (const [name, wanted] of Object.entries(attributes)) {
        if (!(name in ATTRIBUTES)) continue;
        const found = name in TOLD ? TOLD[name](text) : await nearest(clip, image, template, attributes, name);
        right[name].push(found === wanted);
      }
    }
    rows.push({ scale, right });
  }
  await Promise.all([clip.close(), captioner.close()]);
  return rows;
}

/** The value of an attribute whose sentence CLIP finds nearest to the picture. */
async function nearest(clip, image, template, attributes, name) {
  const texts = await clip.embedTexts(values[name].map((value) => fill(template, { ...attributes, [name]: value })));
  const nearness = texts.map((text) => text.reduce((sum, x, i) => sum + x * image[i], 0));
  return values[name][nearness.indexOf(Math.max(...nearness))];
}

function share(answers) {
  return answers.filter(Boolean).length / answers.length;
}
