import type { ClipConfig, ClipTextConfig, Gpt2Config } from "../configs/index.ts";
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

/** A part of names, and the deviation of the normal distribution that weights of that name are drawn from; 0: they are zeros. */
type Deviations = readonly (readonly [RegExp, number])[];

/**
 * Fresh weights of CLIP's text encoder as transformers draws them: normal, embeddings with deviation 0.02, layers with
 * deviations that follow from width and depth (Radford et al. 2021, §2.5, after GPT-2); biases 0, norms at 1 and 0.
 */
export function clipTextWeights(
  shapes: ParameterShapes,
  config: ClipTextConfig,
  random: CpuGenerator,
): Map<string, Float32Array> {
  return normalWeights(shapes, random, clipTower(config));
}

/** Fresh weights of a whole CLIP, likewise; the logarithm of the temperature begins at that of 1 / 0.07. */
export function clipWeights(
  shapes: ParameterShapes,
  { text, vision }: ClipConfig,
  random: CpuGenerator,
): Map<string, Float32Array> {
  const within = (prefix: string, deviations: Deviations): Deviations =>
    deviations.map(([{ source }, deviation]) => [new RegExp(`^${prefix}.*${source}`), deviation] as const);
  const weights = normalWeights(shapes, random, [
    ...within("text_model", clipTower(text)),
    [/\.class_embedding$/, vision.hidden_size ** -0.5],
    [/\.patch_embedding\.weight$/, 0.02],
    ...within("vision_model", clipTower(vision)),
    [/^text_projection\.weight$/, text.hidden_size ** -0.5],
    [/^visual_projection\.weight$/, vision.hidden_size ** -0.5],
    [/^logit_scale$/, 0],
  ]);
  return weights.set("logit_scale", Float32Array.of(2.6592));
}

interface Tower {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
}

function clipTower({ hidden_size: width, num_hidden_layers: layers }: Tower): Deviations {
  const inward = width ** -0.5 * (2 * layers) ** -0.5;
  return [
    [/\.(token|position)_embedding\.weight$/, 0.02],
    [/\.[qkv]_proj\.weight$/, inward],
    [/\.out_proj\.weight$/, width ** -0.5],
    [/\.fc1\.weight$/, (2 * width) ** -0.5],
    [/\.fc2\.weight$/, inward],
    [/\.bias$/, 0],
  ];
}

/**
 * Fresh weights of GPT-2 as transformers draws them (Radford et al. 2019, §2.3): normal with deviation 0.02, less where a layer adds
 * to the residual stream, the more layers the less; biases 0, norms at 1 and 0.
 */
export function gpt2Weights(
  shapes: ParameterShapes,
  { n_layer: layers }: Gpt2Config,
  random: CpuGenerator,
): Map<string, Float32Array> {
  return normalWeights(shapes, random, [
    [/\.c_proj\.weight$/, 0.02 / Math.sqrt(2 * layers)],
    [/\.weight$/, 0.02],
    [/\.bias$/, 0],
  ]);
}

/** Fresh weights of a discriminator as CompVis draws them: normal with deviation 0.02, those of norms around 1; biases as torch's. */
export function discriminatorWeights(shapes: ParameterShapes, random: CpuGenerator): Map<string, Float32Array> {
  const one = (name: string, shape: readonly number[]): Float32Array => {
    const norm = isOfNorm(name, shapes);
    if (name.endsWith(".weight")) return random.randn(shape).map((x) => Number(norm) + 0.02 * x);
    return norm ? new Float32Array(sizeOf(shape)) : uniform(shape, 1 / Math.sqrt(inputsOf(name, shapes)), random);
  };
  return new Map([...shapes].map(([name, shape]) => [name, one(name, shape)]));
}

function normalWeights(
  shapes: ParameterShapes,
  random: CpuGenerator,
  deviations: Deviations,
): Map<string, Float32Array> {
  return drawn(shapes, random, (name, shape) => {
    const found = deviations.find(([pattern]) => pattern.test(name));
    if (!found) throw new Error(`"${name}" is no weight of this model.`);
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
  return /\.(weight|bias)$/.test(name) && weightShape(name, shapes).length === 1;
}

function inputsOf(name: string, shapes: ParameterShapes): number {
  return sizeOf(weightShape(name, shapes).slice(1));
}

function uniform(shape: readonly number[], bound: number, random: CpuGenerator): Float32Array {
  return random.rand(shape).map((u) => (2 * u - 1) * bound);
}
