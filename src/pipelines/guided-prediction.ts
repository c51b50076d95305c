import { combine, guidanceShares, rescaleGuidance } from "../diffusion/index.ts";
import type { KeptTensor } from "../runtime/index.ts";
import { float32, joined, type Tensor } from "../tensor/index.ts";
import type { NoisePredictor, StayingPredictor } from "./noise-predictor.ts";
import type { ResolvedSettings } from "./settings.ts";
import type { Told } from "./words.ts";

/** What one call of the sampler shows the network beside latents. */
export interface Look {
  /** Of the latents: [1, C, H, W]. */
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

/** Latents as the network sees them. */
export interface Seen {
  readonly x: Float32Array;
  /** Further channels of the network's input. */
  readonly beside?: Float32Array;
}

type GuidanceSettings = Pick<ResolvedSettings, "guidance" | "guidanceRescale">;

/**
 * The network's prediction under classifier-free guidance, of a composition where the prompt is one. Embeddings of one
 * length go through it as one batch, the unconditional one first, others by themselves; what has no share in the sum is
 * not computed: at scale 1, and in calls without guidance, the prompt goes alone, and nothing of it is left at 0.
 */
export async function guidedPrediction(
  { x, beside = new Float32Array(0) }: Seen,
  look: Look,
  settings: GuidanceSettings,
  unet: Pick<NoisePredictor, "predict">,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const [, , height, width] = look.shape as [number, number, number, number];
  const input = joined(Float32Array, x, beside);
  const sample = float32([1, input.length / (height * width), height, width], input);
  const rescale = rescaleOf(look, settings);
  const parts = partsOf(look, settings);
  const predictions: Float32Array[] = [];
  for (const batch of batchesOf(parts)) {
    predictions.push(...(await unet.predict({ ...questionOf(look, batch), sample }, signal)));
  }
  const summed = (by: "share" | "alone") => combine(...parts.map((part, i) => [part[by], predictions[i]!] as const));
  return rescale > 0 ? rescaleGuidance(summed("share"), summed("alone"), rescale) : summed("share");
}

/** What the network said of some words, [B, C, H, W], and the share of each of the B in the guided prediction. */
export interface SharedPrediction {
  readonly rows: KeptTensor;
  readonly shares: readonly number[];
}

/** As `guidedPrediction`, without rescaling: what is to be summed stays with the runtime. Dispose of each. */
export async function sharedPredictions(
  sample: KeptTensor,
  look: Look,
  settings: GuidanceSettings,
  unet: Pick<StayingPredictor, "predict">,
  signal?: AbortSignal,
): Promise<SharedPrediction[]> {
  const found: SharedPrediction[] = [];
  try {
    for (const batch of batchesOf(partsOf(look, settings))) {
      const { tensor, rows } = await unet.predict({ ...questionOf(look, batch), sample }, signal);
      const shares = Array<number>(tensor.shape[0]!).fill(0);
      for (const [i, { share }] of batch.entries()) shares[rows[i]!]! += share;
      found.push({ rows: tensor, shares });
    }
    return found;
  } catch (error) {
    for (const { rows } of found) rows.dispose();
    throw error;
  }
}

/** Words that are asked for, and what of their prediction is in the guided one, and in the one without guidance. */
interface Part {
  readonly embedding: Tensor<"float32">;
  readonly share: number;
  readonly alone: number;
}

function partsOf(look: Look, settings: GuidanceSettings): Part[] {
  const { told } = look;
  const weights = told.parts.map(({ weight }) => weight);
  const [shares, alone] = [guidanceShares(weights, scaleOf(look, settings)), guidanceShares(weights, 1)];
  const isRescaled = rescaleOf(look, settings) > 0;
  return [told.uncond, ...told.parts.map(({ embedding }) => embedding)]
    .map((embedding, i) => ({ embedding: embedding!, share: shares[i]!, alone: alone[i]! }))
    .filter(({ share }) => isRescaled || share !== 0);
}

/** Where the guidance is an input of the network, the prompt alone is asked for. */
function scaleOf({ guided, timestepCond }: Look, { guidance }: GuidanceSettings): number {
  return guided && !timestepCond ? guidance : 1;
}

function rescaleOf(look: Look, settings: GuidanceSettings): number {
  return scaleOf(look, settings) === 1 ? 0 : settings.guidanceRescale;
}

/** As few calls as the lengths of the embeddings allow. */
const batchesOf = (parts: readonly Part[]): Part[][] =>
  runsOf(parts, (a, b) => a.embedding.shape[1] === b.embedding.shape[1]);

const questionOf = ({ timestep, timestepCond, round }: Look, batch: readonly Part[]) => ({
  timestep,
  timestepCond,
  round,
  words: batch.map(({ embedding }) => embedding),
});

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
