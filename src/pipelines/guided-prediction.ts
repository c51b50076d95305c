import { combine, guidanceShares, rescaleGuidance } from "../diffusion/index.ts";
import { float32, joined, type Tensor } from "../tensor/index.ts";
import type { NoisePredictor } from "./noise-predictor.ts";
import type { ResolvedSettings } from "./settings.ts";
import type { Told } from "./words.ts";

/** What one call of the sampler shows the network. */
export interface Look {
  readonly x: Float32Array;
  /** Further channels of the network's input. */
  readonly beside?: Float32Array;
  /** Of `x`: [1, C, H, W]. */
  readonly shape: readonly number[];
  readonly timestep: number;
  readonly told: Told;
  /** Where the guidance is an input of the network, its embedding. */
  readonly timestepCond?: Float32Array;
  /** Whether the prompt is compared with the negative one; where it is not, it goes alone. */
  readonly guided: boolean;
  /** Calls of one round share deep features; absent where none are reused. */
  readonly round?: number;
}

/**
 * The network's prediction under classifier-free guidance, of a composition where the prompt is one. Embeddings of one
 * length go through it as one batch, the unconditional one first, others by themselves; what has no share in the sum is
 * not computed: at scale 1, and in calls without guidance, the prompt goes alone, and nothing of it is left at 0.
 */
export async function guidedPrediction(
  look: Look,
  { guidance, guidanceRescale }: Pick<ResolvedSettings, "guidance" | "guidanceRescale">,
  unet: Pick<NoisePredictor, "predict">,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const { told, timestepCond, guided } = look;
  const scale = guided && !timestepCond ? guidance : 1;
  const weights = told.parts.map(({ weight }) => weight);
  const shares = guidanceShares(weights, scale);
  const rescale = scale === 1 ? 0 : guidanceRescale;
  const embeddings = [told.uncond, ...told.parts.map(({ embedding }) => embedding)];
  const asked = embeddings.filter((_, i) => rescale > 0 || shares[i] !== 0);
  const answers = await predictAll(look, asked as Tensor<"float32">[], unet, signal);

  const nothing = new Float32Array(look.x.length);
  const predictions = embeddings.map((_, i) => (rescale > 0 || shares[i] !== 0 ? answers.shift()! : nothing));
  const sum = combined(shares, predictions);
  return rescale > 0 ? rescaleGuidance(sum, combined(guidanceShares(weights, 1), predictions), rescale) : sum;
}

function combined(shares: readonly number[], predictions: readonly Float32Array[]): Float32Array {
  return combine(...shares.map((share, i) => [share, predictions[i]!] as const));
}

/** The predictions for several embeddings, as few calls as their lengths allow. */
async function predictAll(
  { x, beside = new Float32Array(0), shape, timestep, timestepCond, round }: Look,
  embeddings: readonly Tensor<"float32">[],
  unet: Pick<NoisePredictor, "predict">,
  signal?: AbortSignal,
): Promise<Float32Array[]> {
  const [, , height, width] = shape as [number, number, number, number];
  const input = joined(Float32Array, x, beside);
  const sample = float32([1, input.length / (height * width), height, width], input);
  const answers: Float32Array[] = [];
  for (const words of runsOf(embeddings, (a, b) => a.shape[1] === b.shape[1])) {
    answers.push(...(await unet.predict({ sample, timestep, words, timestepCond, round }, signal)));
  }
  return answers;
}

/** Cuts a list wherever neighbours are not alike. */
function runsOf<T>(list: readonly T[], alike: (a: T, b: T) => boolean): T[][] {
  const runs: T[][] = [];
  for (const item of list) {
    const last = runs.at(-1);
    if (last && alike(last[0]!, item)) last.push(item);
    else runs.push([item]);
  }
  return runs;
}
