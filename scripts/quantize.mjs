/**
 * Turns a checkpoint folder into one that holds its weights in 8 bits per value; everything else is copied.
 *
 *   node scripts/quantize.mjs FROM TO       (after npm run build)
 *
 * `name` of a matrix or convolution becomes int8, and `name.scale` beside it holds a float16 factor for each output
 * (row). Vectors and small tensors stay as they were: they are few, and the first and the last convolution, where an error
 * reaches every place of the picture, are among them. The same input gives the same bytes.
 */
import { copyFile, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { float16ToFloat32, float32ToFloat16, tensor, toFloat32 } from "../dist/tensor/index.js";
import { readSafetensors, readTensor, writeSafetensors } from "../dist/weights/index.js";

/** Tensors of fewer values stay as they are. */
const SMALL = 1 << 15;

const [from, to] = process.argv.slice(2);
if (!from || !to) {
  console.error("Usage: node scripts/quantize.mjs FROM TO");
  process.exit(2);
}

for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const source = join(entry.parentPath, entry.name);
  const target = join(to, relative(from, source));
  await mkdir(dirname(target), { recursive: true });
  if (source.endsWith(".safetensors")) await quantizeFile(source, target);
  else await copyFile(source, target);
}

async function quantizeFile(source, target) {
  const { tensors, metadata } = await readSafetensors(source);
  const out = {};
  for (const [name, stored] of tensors) {
    const read = await readTensor(stored);
    if (read.shape.length < 2 || read.data.length < SMALL) out[name] = read;
    else [out[name], out[`${name}.scale`]] = quantize(toFloat32(read), read.shape);
  }
  await writeSafetensors(target, out, Object.fromEntries(metadata));
  const [before, after] = await Promise.all([stat(source), stat(target)]);
  console.log(`${relative(to, target)}: ${before.size} → ${after.size} bytes`);
}

/** Symmetric, −127…127, so that 0 stays 0. */
function quantize(values, shape) {
  const row = values.length / shape[0];
  const peaks = Array.from({ length: shape[0] }, (_, r) => peak(values.subarray(r * row, (r + 1) * row)));
  const scale = float32ToFloat16(peaks.map((most) => most / 127));
  // Divided by the factor as it will be read, rounded to float16.
  const step = float16ToFloat32(scale);
  const rounded = Int8Array.from(values, (x, i) => {
    const s = step[Math.floor(i / row)];
    return s === 0 ? 0 : Math.max(-127, Math.min(127, Math.round(x / s)));
  });
  return [tensor("int8", shape, rounded), tensor("float16", [shape[0], ...shape.slice(1).map(() => 1)], scale)];
}

function peak(values) {
  return values.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}
