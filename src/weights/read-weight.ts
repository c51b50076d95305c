import { InputError, toFloat32 } from "../tensor/index.ts";
import { readTensor } from "./files.ts";
import type { WeightStore } from "./store.ts";

/**
 * The numbers of a weight, whatever they are stored as; those in 8 bits are multiplied with the factors beside them, one for
 * each row.
 *
 * @throws InputError where there is no such weight
 */
export async function readWeight(store: WeightStore, name: string): Promise<Float32Array> {
  const stored = store.get(name);
  if (!stored) throw new InputError(`${store.describe()} has no tensor "${name}". Get it again.`);
  const values = toFloat32(await readTensor(stored));
  const scale = store.get(`${name}.scale`);
  if (!scale) return values;
  const factors = toFloat32(await readTensor(scale));
  const row = values.length / factors.length;
  return values.map((value, i) => value * factors[Math.floor(i / row)]!);
}
