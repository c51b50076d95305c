import type { Graph } from "../graph/index.ts";
import { CpuGenerator, seedSequence } from "../tensor/index.ts";
import { checkWeights, readWeight, type WeightStore } from "../weights/index.ts";
import type { ParameterShapes } from "./initial-weights.ts";

/** The parameters of a graph, whose dimensions are all known. */
export function shapesOf({ parameters }: Graph): ParameterShapes {
  return new Map([...parameters].map(([name, { shape }]) => [name, shape as number[]]));
}

/** Those below a prefix, by the rest of their names. */
export function below(shapes: ParameterShapes, prefix: string): ParameterShapes {
  return new Map(
    [...shapes].flatMap(([name, shape]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), shape] as const] : [],
    ),
  );
}

/** The same things by longer names. */
export function under<T>(prefix: string, named: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...named].map(([name, value]) => [prefix + name, value]));
}

/** Tells the seeds of one run apart. */
const FRESH = 2;

/** What fresh weights are drawn with in a run of this seed. */
export function freshness(seed: number): CpuGenerator {
  return new CpuGenerator(seedSequence(BigInt(seed), [FRESH], 4, 1)[0]!);
}

/**
 * The numbers of stored weights.
 *
 * @throws InputError naming what is missing or of another shape
 */
export async function stored(weights: WeightStore, shapes: ParameterShapes): Promise<Map<string, Float32Array>> {
  checkWeights({ weights }, shapes, { partial: true });
  const values = new Map<string, Float32Array>();
  for (const name of shapes.keys()) values.set(name, await readWeight(weights, name));
  return values;
}
