/**
 * Where the embedded model looks for a word: on portraits of the data generator that training held out, whose eyes' box is known
 * exactly. Each is encoded, noised to a timestep of training, and shown to the U-Net once, with a caption of its own that has both
 * "eyes" and "background" in it. Counted is how often a word's heat map (DAAM) has its peak in the box around both eyes, grown
 * by one place of the latent on every side.
 *
 *   node bench/attention.mjs [COUNT] [TIMESTEP] [SHEET.png]       (after npm run build; 100 and 500 where they are left out)
 *
 * Asked for: the map of "eyes" in 80 of 100 or more, that of "background" in fewer than 20.
 */
import { writeFile } from "node:fs/promises";
import {
  findWords,
  heatMap,
  latentsOf,
  layerGroups,
  lookAt,
  noised,
  openModel,
  overlaid,
  peakOf,
  wordPlane,
} from "../dist/explain/index.js";
import { contactSheet, encodePicture } from "../dist/image/index.js";
import { openDrawings } from "../dist/training/index.js";

const [count = "100", timestep = "500", sheet] = process.argv.slice(2);
const WORDS = ["eyes", "background"];

const model = await openModel(undefined, {});
const kinds = ["pixel", "lorelei", "bigheads", "faces"];
const drawings = await openDrawings({ count: 100_000, seed: 0, split: "heldout", kinds });

const hits = new Map(WORDS.map((word) => [word, new Map()]));
let [looked, chance] = [0, 0];
const cells = [];
for (let index = 0; looked < Number(count); index++) {
  const { picture, attributes } = await drawings.at(index);
  const { eyeBox, captions } = attributes;
  const caption = captions.find((text) => WORDS.every((word) => new RegExp(`\\b${word}\\b`).test(text)));
  if (!eyeBox || !caption) continue;
  const x0 = await latentsOf(picture, model);
  const { latents } = noised(x0, { timestep: Number(timestep), seed: index }, model);
  const { attention, words } = await lookAt(latents, { prompt: caption, timestep: Number(timestep) }, model);
  const [, , height, width] = latents.shape;
  const cell = picture.width / width;
  const [left, top, right, bottom] = eyeBox;
  const isInside = ({ x, y }) => {
    const [px, py] = [(x + 0.5) * cell, (y + 0.5) * cell];
    return px >= left - cell && px < right + cell && py >= top - cell && py < bottom + cell;
  };
  for (let i = 0; i < width * height; i++) {
    chance += Number(isInside({ x: i % width, y: Math.floor(i / width) })) / (width * height);
  }
  const groups = layerGroups(attention);
  for (const word of WORDS) {
    const { tokens } = findWords(word, words);
    const of = (layers) =>
      heatMap(
        layers.map((layer) => wordPlane(attention[layer], tokens)),
        { width, height },
      );
    const all = of(Object.keys(attention));
    const maps = [
      ["all layers", all],
      ...groups.map(({ name, layers }) => [name, of(layers)]),
      ...Object.keys(attention).map((layer) => [layer.replace(".transformer_blocks.0.attn2", ""), of([layer])]),
    ];
    for (const [name, map] of maps) {
      const known = hits.get(word);
      known.set(name, (known.get(name) ?? 0) + Number(isInside(peakOf(map))));
    }
    if (sheet && cells.length < 24) cells.push({ picture: overlaid(picture, all), caption: `${word}: ${caption}` });
  }
  looked++;
}
await model.runtime.close();

const share = (n) => `${((100 * n) / looked).toFixed(0)} %`.padStart(7);
console.log(
  `${looked} portraits, timestep ${timestep}. A place anywhere would lie in the box in ${share(chance).trim()}.`,
);
console.log(`${WORDS.map((word) => word.padStart(12)).join("")}  peak in the box`);
for (const name of hits.get(WORDS[0]).keys()) {
  console.log(`${WORDS.map((word) => share(hits.get(word).get(name)).padStart(12)).join("")}  ${name}`);
}
if (sheet) await writeFile(sheet, await encodePicture(await contactSheet(cells, { columns: 6, side: 192 }), "png"));
const reached = [...hits.get("eyes").keys()].filter(
  (name) => hits.get("eyes").get(name) >= 0.8 * looked && hits.get("background").get(name) < 0.2 * looked,
);
console.log(`Eyes in 80 % or more and background in less than 20 %: ${reached.join(", ") || "nowhere"}`);
