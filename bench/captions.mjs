/**
 * How often captions are right: pictures of the generator that the embedded models learnt from, whose truth is known.
 *
 *   node gen.mjs --out PICTURES --seed 20261123 --count 256 --split heldout     (the generator; objects.json is its data/)
 *   node bench/captions.mjs PICTURES OBJECTS.json [--count 8]                   (after npm run build)
 *
 * Prints a table: of each attribute, in how many pictures the greedy caption names it right, wrong or not. With --count
 * another one for the best of so many captions by their CLIP score (temperature 0.7).
 */
import { createReadStream } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { openCaptioner } from "../dist/index.js";
import { judge, tally } from "./caption-truth.mjs";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { count: { type: "string" }, captioner: { type: "string" }, clip: { type: "string" } },
});
const [folder, objectsFile] = positionals;
if (!folder || !objectsFile) {
  console.error("Usage: node bench/captions.mjs PICTURES OBJECTS.json [--count 8]");
  process.exit(2);
}
const SIDE = 256;

/** { kind, style, attrs, captions, picture } of every picture in the folder. */
async function* pictures() {
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".jsonl")).sort()) {
    const pixels = await open(join(folder, name.replace(/jsonl$/, "rgb")));
    for await (const line of createInterface({ input: createReadStream(join(folder, name)) })) {
      const data = new Uint8Array(3 * SIDE * SIDE);
      await pixels.read(data);
      yield { ...JSON.parse(line), picture: { width: SIDE, height: SIDE, data } };
    }
    await pixels.close();
  }
}

const names = new Map();
for (const { noun, plural, names: others } of JSON.parse(await readFile(objectsFile, "utf8"))) {
  const all = [noun, plural, ...others].filter(Boolean);
  names.set(
    noun,
    all.map((name) => name.replace(/^(a|an|the) /, "")),
  );
}
const namesOf = (noun) => names.get(noun) ?? [noun];

const { count, captioner: model, clip } = values;
const runs = [{ name: "greedy", settings: {} }];
if (count) runs.push({ name: `best of ${count}`, settings: { count: Number(count), temperature: 0.7, seed: 0 } });
const captioner = await openCaptioner({ model, clip });
const judged = runs.map(() => []);
const milliseconds = runs.map(() => 0);
for await (const { picture, captions, ...truth } of pictures()) {
  for (const [i, { settings }] of runs.entries()) {
    const start = performance.now();
    const [best] = await captioner.caption(picture, settings);
    milliseconds[i] += performance.now() - start;
    judged[i].push(judge(best.text, truth, namesOf));
    if (i === 0) console.error(`${best.text}\n    truth: ${captions[0]}`);
  }
}
await captioner.close();
for (const [i, { name }] of runs.entries()) {
  const n = judged[i].length;
  console.log(`\n${name}: ${n} pictures, ${(milliseconds[i] / n).toFixed(0)} ms each\n`);
  console.log("| attribute | pictures that have it | named right | named wrong | not named |\n|---|---|---|---|---|");
  for (const [attribute, { right, wrong, "not named": silent }] of Object.entries(tally(judged[i]))) {
    const all = right + wrong + silent;
    console.log(`| ${attribute} | ${all} | ${right} (${Math.round((100 * right) / all)} %) | ${wrong} | ${silent} |`);
  }
}
