/**
 * Writes a Stable Diffusion 2.1 folder as one file in the original layout, which stable-diffusion.cpp wants. The key tables
 * tell where in such a file each of our tensors lies, so its bytes go there; what no tensor of ours is stays zero.
 * usage: node bench/peers/single-file.mjs FOLDER       writes FOLDER/sd21-ldm.safetensors
 */
import { open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { openCheckpoint } from "../../dist/weights/index.js";
import { openClipTextKeys } from "../../dist/weights/keys/clip-text.js";
import { below, renamed } from "../../dist/weights/keys/rename.js";
import { unetKeys } from "../../dist/weights/keys/unet.js";
import { vaeKeys } from "../../dist/weights/keys/vae.js";
import { storeOf } from "../../dist/weights/store.js";
import { safetensorsHeader } from "../safetensors-header.mjs";
import { SINGLE_FILE } from "./engines.mjs";

const [folder] = process.argv.slice(2);
const out = join(folder, SINGLE_FILE);
const { unet, textEncoder, vae } = await openCheckpoint(folder);
const table = new URL("../../test/fixtures/keys/single-file-sd21.json", import.meta.url);
const tensors = Object.entries(JSON.parse(await readFile(table, "utf8")).tensors);
const { bytes: header } = safetensorsHeader(tensors, "F16", 2);

let offset = header.length;
const places = new Map();
for (const [name, shape] of tensors) {
  const length = 2 * shape.reduce((a, b) => a * b, 1);
  places.set(name, { file: out, dtype: "float16", shape, offset, length });
  offset += length;
}
const whole = storeOf(places, out);
const parts = [
  [unet, "model.diffusion_model.", unetKeys(unet.config)],
  [textEncoder, "cond_stage_model.model.", openClipTextKeys(textEncoder.config.num_hidden_layers)],
  [vae, "first_stage_model.", vaeKeys(vae.config)],
];

const file = await open(`${out}.part`, "w");
await file.write(header);
await file.truncate(offset);
for (const [{ weights }, prefix, rules] of parts) {
  const wanted = renamed(below(whole, prefix), rules);
  for (const name of weights.names()) {
    const [from, to] = [weights.get(name), wanted.get(name)];
    if (!to) continue;
    if (from.dtype !== "float16" || from.length !== to.length)
      throw new Error(`${name} is ${from.dtype} [${from.shape}].`);
    const source = await open(from.file);
    const { buffer } = await source.read(Buffer.alloc(from.length), 0, from.length, from.offset);
    await source.close();
    await file.write(buffer, 0, from.length, to.offset);
  }
}
await file.close();
await rename(`${out}.part`, out);
console.log(out);
