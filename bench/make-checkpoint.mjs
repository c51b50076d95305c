/**
 * Writes a checkpoint of full published size with random weights (float16, diffusers' layout), so that speed and memory
 * can be measured on a machine that has none: time does not depend on values, as long as they stay finite.
 * usage: node bench/make-checkpoint.mjs FOLDER [sd21-base|sd21|sd15]      about 2.6 GB
 */

import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { float32ToFloat16 } from "../dist/tensor/index.js";
import { safetensorsHeader } from "./safetensors-header.mjs";

const [folder, model = "sd21-base"] = process.argv.slice(2);
const models = {
  "sd21-base": { unet: "sd21-base-unet", text: "sd2-text-encoder", tokenizer: "clip-sd2", scheduler: "sd21-base" },
  sd21: { unet: "sd21-unet", text: "sd2-text-encoder", tokenizer: "clip-sd2", scheduler: "sd21-v" },
  sd15: { unet: "sd15-unet", text: "sd15-text-encoder", tokenizer: "clip", scheduler: "sd15" },
};
const parts = models[model];
if (!folder || !parts) {
  console.error(`usage: node bench/make-checkpoint.mjs FOLDER [${Object.keys(models).join("|")}]`);
  process.exit(2);
}

const fixtures = new URL("../test/fixtures/", import.meta.url);
const readTable = async (name) => JSON.parse(await readFile(new URL(`keys/${name}.json`, fixtures), "utf8"));

/** A block of normal numbers, used again and again from changing places: ONNX Runtime keeps equal weights only once. */
const normal = Float32Array.from({ length: 1 << 16 }, () => {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
});

/** He's deviation for matrices and kernels, ones for the scales of norms, zeros for biases. */
function blockFor(name, shape) {
  if (shape.length > 1) {
    const deviation = Math.sqrt(1 / shape.slice(1).reduce((a, b) => a * b, 1));
    return float32ToFloat16(normal.map((x) => x * deviation));
  }
  return float32ToFloat16(new Float32Array(1 << 16).fill(name.endsWith("bias") ? 0 : 1));
}

async function writePart(table, part, file) {
  const { config, tensors } = await readTable(table);
  // transformers takes 1.0 and 0.0 here, not the 1 and 0 that JavaScript writes; they only matter to training.
  for (const key of ["attention_dropout", "dropout", "initializer_factor"]) delete config[key];
  await mkdir(join(folder, part), { recursive: true });
  await writeFile(join(folder, part, "config.json"), JSON.stringify(config, null, 2));
  const { bytes: header, size } = safetensorsHeader(Object.entries(tensors), "F16", 2);
  const out = createWriteStream(join(folder, part, file));
  const write = async (bytes) => {
    if (!out.write(bytes)) await once(out, "drain");
  };
  await write(header);
  for (const [name, shape] of Object.entries(tensors)) {
    const block = Buffer.from(blockFor(name, shape).buffer);
    let at = shape.length > 1 ? 2 * Math.floor((Math.random() * block.length) / 2) : 0;
    for (let left = 2 * shape.reduce((a, b) => a * b, 1); left > 0; ) {
      const piece = block.subarray(at, Math.min(at + left, block.length));
      await write(piece);
      left -= piece.length;
      at = 0;
    }
  }
  out.end();
  await once(out, "finish");
  console.log(`${part}: ${(size / 1e9).toFixed(2)} GB`);
}

await writePart(parts.unet, "unet", "diffusion_pytorch_model.safetensors");
await writePart(parts.text, "text_encoder", "model.safetensors");
await writePart("sd-vae", "vae", "diffusion_pytorch_model.safetensors");
await mkdir(join(folder, "tokenizer"), { recursive: true });
for (const file of ["vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"]) {
  await copyFile(new URL(`tokenizers/${parts.tokenizer}/${file}`, fixtures), join(folder, "tokenizer", file));
}
await mkdir(join(folder, "scheduler"), { recursive: true });
const schedulers = await readTable("schedulers");
await writeFile(
  join(folder, "scheduler", "scheduler_config.json"),
  JSON.stringify(schedulers[parts.scheduler], null, 2),
);
const index = {
  _class_name: "StableDiffusionPipeline",
  scheduler: ["diffusers", schedulers[parts.scheduler]._class_name],
  text_encoder: ["transformers", "CLIPTextModel"],
  tokenizer: ["transformers", "CLIPTokenizer"],
  unet: ["diffusers", "UNet2DConditionModel"],
  vae: ["diffusers", "AutoencoderKL"],
};
await writeFile(join(folder, "model_index.json"), JSON.stringify(index, null, 2));
