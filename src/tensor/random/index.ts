import { CpuGenerator } from "./cpu.ts";
import { CudaGenerator } from "./cuda.ts";
import type { NoiseSource } from "./noise-source.ts";

export { type BrownianOptions, brownianMotion } from "./brownian.ts";
export { CpuGenerator, type CpuGeneratorState } from "./cpu.ts";
export { type CudaDevice, CudaGenerator } from "./cuda.ts";
export type { FloatDType, NoiseSource, Shape } from "./noise-source.ts";
export { randomSeed } from "./seed.ts";
export { seedSequence } from "./seed-sequence.ts";

const generators = { cpu: CpuGenerator, cuda: CudaGenerator } as const;

/** Whose random numbers to give: torch's on the CPU, or on a CUDA device. */
export type GeneratorKind = keyof typeof generators;

export const generatorKinds = Object.keys(generators) as GeneratorKind[];

/** torch's generator of `kind`, freshly seeded: `createGenerator("cpu", 42).randn([1, 4, 64, 64])`. */
export function createGenerator(kind: GeneratorKind, seed: number | bigint): NoiseSource {
  return new generators[kind](seed);
}
