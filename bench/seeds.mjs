/**
 * One prompt at many seeds, on one sheet: what a model makes of it, whoever the luck falls on.
 *
 *   node bench/seeds.mjs "a lady with blue eyes" SHEET.jpg [COUNT]       (after npm run build)
 *
 * Seeds 0 to COUNT − 1 (16 where it is left out), at the embedded model's defaults, in rows of 4.
 */
import { load } from "../dist/index.js";
import { writeContactSheet } from "./contact-sheet.mjs";

const [prompt, sheet, count = "16"] = process.argv.slice(2);
if (!prompt || !sheet) {
  console.error('Usage: node bench/seeds.mjs "PROMPT" SHEET.jpg [COUNT]');
  process.exit(2);
}

const inkling = await load();
const { images } = await inkling.generate({ prompt, seed: 0, count: Number(count) });
await inkling.close();
await writeContactSheet(images, sheet, { columns: 4, side: images[0].width });
