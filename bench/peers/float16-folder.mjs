/**
 * Writes the embedded model as other engines read it: float16 instead of 8-bit integers with a scale.
 * usage: node bench/peers/float16-folder.mjs FOLDER
 */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { float32ToFloat16, tensor, toFloat32 } from "../../dist/tensor/index.js";
import { readSafetensors, readTensor, writeSafetensors } from "../../dist/weights/index.js";

const [folder] = process.argv.slice(2);
const embedded = fileURLToPath(new URL("../../models/inkdrop-256/", import.meta.url));
const weights = ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"];
const others = ["unet/config", "vae/config", "text_encoder/config", "scheduler/scheduler_config"];
const words = ["tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt"];

for (const name of weights) {
  const { tensors } = await readSafetensors(join(embedded, `${name}.safetensors`));
  const out = {};
  for (const [key, stored] of tensors) {
    if (key.endsWith(".scale")) continue;
    const values = toFloat32(await readTensor(stored));
    const scale = tensors.get(`${key}.scale`);
    const factors = scale && toFloat32(await readTensor(scale));
    const row = values.length / (factors?.length ?? 1);
    const wide = factors ? values.map((value, i) => value * factors[Math.floor(i / row)]) : values;
    out[key] = tensor("float16", stored.shape, float32ToFloat16(wide));
  }
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeSafetensors(join(folder, `${name}.safetensors`), out, { format: "pt" });
}
const files = [...others.map((name) => `${name}.json`), ...words.map((name) => `tokenizer/${name}`)];
// The index comes last: with it the folder is complete.
for (const file of [...files, "model_index.json"]) {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await copyFile(join(embedded, file), join(folder, file));
}
console.log(`${folder}: the embedded model in float16`);
