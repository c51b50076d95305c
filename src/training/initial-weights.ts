import type { ClipTextConfig } from "../configs/index.ts";
import { type CpuGenerator, sizeOf } from "../tensor/index.ts";

/** Parameters by name, with their shapes. */
export type ParameterShapes = ReadonlyMap<string, readonly number[]>;

/** Fresh values of a parameter. */
type Draw = (name: string, shape: readonly number[], random: CpuGenerator) => Float32Array;

/**
 * Fresh weights as torch's own modules begin, which is how a U-Net of diffusers begins: linear layers and convolutions
 * uniform within ± 1 / √(inputs), weight and bias; norms at 1 and 0. Parameters are drawn in their own order.
 */
export function torchWeights(shapes: ParameterShapes, random: CpuGenerator): Map<string, Float32Array> {
  return drawn(shapes, random, (name, shape) => uniform(shape, 1 / Math.sqrt(inputsOf(name, shapes)), random));
}

/**
 * Fresh weights of CLIP's text encoder as transformers draws them: normal, embeddings with deviation 0.02, layers with
 * deviations that follow from width and depth (Radford et al. 2021, §2.5, after GPT-2); biases 0, norms at 1 and 0.
 */
export function clipTextWeights(
  shapes: ParameterShapes,
  { hidden_size: width, num_hidden_layers: layers }: ClipTextConfig,
  random: CpuGenerator,
): Map<string, Float32Array> {
  const inward = width ** -0.5 * (2 * layers) ** -0.5;
  const deviations: readonly (readonly [RegExp, number])[] = [
    [/\.(token|position)_embedding\.weight$/, 0.02],
    [/\.[qkv]_proj\.weight$/, inward],
    [/\.out_proj\.weight$/, width ** -0.5],
    [/\.fc1\.weight$/, (2 * width) ** -0.5],
    [/\.fc2\.weight$/, inward],
    [/\.bias$/, 0],
  ];
  return drawn(shapes, random, (name, shape) => {
    const found = deviations.find(([pattern]) => pattern.test(name));
    if (!found) throw new Error(`"${name}" is no weight of CLIP's text encoder.`);
    return found[1] === 0 ? new Float32Array(sizeOf(shape)) : random.randn(shape).map((x) => x * found[1]);
  });
}

function drawn(shapes: ParameterShapes, random: CpuGenerator, draw: Draw): Map<string, Float32Array> {
  const one = (name: string, shape: readonly number[]): Float32Array => {
    if (!isOfNorm(name, shapes)) return draw(name, shape, random);
    return new Float32Array(sizeOf(shape)).fill(name.endsWith(".weight") ? 1 : 0);
  };
  return new Map([...shapes].map(([name, shape]) => [name, one(name, shape)]));
}

/** The shape of the weight that a bias belongs to, or its own. */
function weightShape(name: string, shapes: ParameterShapes): readonly number[] {
  return shapes.get(name.replace(/\.bias$/, ".weight"))!;
}

/** Of all modules only norms have weights along a single axis. */
function isOfNorm(name: string, shapes: ParameterShapes): boolean {
  return weightShape(name, shapes).length === 1;
}

function inputsOf(name: string, shapes: ParameterShapes): number {
  return sizeOf(weightShape(name, shapes).slice(1));
}

function uniform(shape: readonly number[], bound: number, random: CpuGenerator): Float32Array {
  return random.rand(shape).map((u) => (2 * u - 1) * bound);
}
