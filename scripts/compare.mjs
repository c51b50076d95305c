/**
 * Compares two .safetensors files (traces, taps, or another program's numbers) tensor by tensor, in the order in which they
 * were computed, and says which is the first that differs: everything after it may be its mere consequence.
 * usage: node scripts/compare.mjs ours.safetensors theirs.safetensors [tolerance, in units of theirs' std; 1e-4]
 */
import { InputError, toFloat32 } from "inkling/tensor";
import { readSafetensors, readTensor } from "inkling/weights";

const [ours, theirs, tolerance = "1e-4"] = process.argv.slice(2);
if (!theirs) throw new InputError("usage: node scripts/compare.mjs ours.safetensors theirs.safetensors [tolerance]");
const [a, b] = await Promise.all([ours, theirs].map((file) => readSafetensors(file)));
/** latents.07 is latents.7. */
const plain = (name) => name.replace(/\b0+(?=\d)/g, "");
const other = new Map([...b.tensors].map(([name, tensor]) => [plain(name), tensor]));

/** A tap says its order; a trace has the one of the names. */
const beginning = ["tokens", "embeddings", "noise", "timesteps", "sigmas"];
function rankOf(name) {
  const [kind, call] = plain(name).split(".");
  if (beginning.includes(kind)) return beginning.indexOf(kind);
  return kind === "image" ? Infinity : 10 + 2 * Number(call) + (kind === "latents" ? 1 : 0);
}
const order = a.metadata.get("order");
const names = order ? JSON.parse(order) : [...a.tensors.keys()].sort((x, y) => rankOf(x) - rankOf(y));

let first;
let compared = 0;
for (const name of names) {
  const tensor = a.tensors.get(name);
  const found = other.get(plain(name));
  if (!found) continue;
  compared++;
  const [x, y] = [toFloat32(await readTensor(tensor)), toFloat32(await readTensor(found))];
  const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
  const std = Math.sqrt(y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / y.length) || 1;
  const shape = tensor.shape.join() === found.shape.join();
  const worst = shape ? x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]) / std), 0) : Infinity;
  const differs = !(worst <= Number(tolerance));
  if (differs) first ??= name;
  const told = shape ? `${worst.toExponential(1)} std` : `shapes [${tensor.shape}] and [${found.shape}]`;
  console.log(`${differs ? "DIFFERS" : "  equal"}  ${name}  ${told}`);
}
console.log(`${compared} of ${names.length} compared; ${first ? `the first that differs: ${first}` : "none differs"}`);
process.exitCode = first || compared === 0 ? 1 : 0;
