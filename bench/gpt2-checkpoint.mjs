/**
 * Writes a GPT-2 of published size with random weights (float32, transformers' layout, GPT-2's own first deviation), so
 * that speed and memory can be measured on a machine that has none.
 */
import { createWriteStream } from "node:fs";
import { copyFile, mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { safetensorsHeader } from "./safetensors-header.mjs";

/** Channels, layers and heads of the published sizes (Radford et al. 2019, table 2). */
export const SIZES = {
  small: { n_embd: 768, n_layer: 12, n_head: 12 },
  medium: { n_embd: 1024, n_layer: 24, n_head: 16 },
  large: { n_embd: 1280, n_layer: 36, n_head: 20 },
  xl: { n_embd: 1600, n_layer: 48, n_head: 25 },
};

const fixtures = new URL("../test/fixtures/", import.meta.url);

/** Makes the checkpoint in `folder` unless it is there. @param size a key of SIZES */
export async function makeGpt2(folder, size) {
  const file = join(folder, "model.safetensors");
  if (await stat(file).catch(() => undefined)) return;
  const table = JSON.parse(await readFile(new URL("keys/gpt2.json", fixtures), "utf8"));
  const config = { ...table.config, ...SIZES[size] };
  const tensors = shapes(config);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(config, null, 2));
  for (const name of ["vocab.json", "merges.txt", "tokenizer_config.json"]) {
    await copyFile(new URL(`tokenizers/gpt2/${name}`, fixtures), join(folder, name));
  }
  await pipeline(bytesOf(tensors), createWriteStream(`${file}.part`));
  await rename(`${file}.part`, file);
}

function shapes({ vocab_size: words, n_positions: places, n_embd: c, n_layer: layers }) {
  const block = {
    ln_1: [c],
    "attn.c_attn": [c, 3 * c],
    "attn.c_proj": [c, c],
    ln_2: [c],
    "mlp.c_fc": [c, 4 * c],
    "mlp.c_proj": [4 * c, c],
  };
  const withBias = (name, shape) => [
    [`${name}.weight`, shape],
    [`${name}.bias`, [shape.at(-1)]],
  ];
  const blocks = Array.from({ length: layers }, (_, i) =>
    Object.entries(block).flatMap(([name, shape]) => withBias(`h.${i}.${name}`, shape)),
  );
  return [["wte.weight", [words, c]], ["wpe.weight", [places, c]], ...blocks.flat(), ...withBias("ln_f", [c])];
}

async function* bytesOf(tensors) {
  yield safetensorsHeader(tensors, "F32", 4).bytes;
  const uniform = mulberry32(1);
  for (const [name, shape] of tensors) {
    let left = shape.reduce((a, b) => a * b, 1);
    while (left > 0) {
      const piece = new Float32Array(Math.min(left, 1 << 20));
      if (shape.length === 1) piece.fill(name.endsWith("bias") ? 0 : 1);
      else fillNormal(piece, 0.02, uniform);
      yield Buffer.from(piece.buffer);
      left -= piece.length;
    }
  }
}

/** Box & Muller's normal numbers. */
function fillNormal(out, deviation, uniform) {
  for (let i = 0; i < out.length; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log(1 - uniform()));
    const angle = 2 * Math.PI * uniform();
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

/** A fast generator of 32 bits, the same numbers every time: greedy ids can be compared between runs. */
function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
