import type { UnetConfig } from "../configs/index.ts";
import { followingFrom, type Graph, type Named, partOf, shareInputs } from "../graph/index.ts";
import { type UnetShape, unetWithJoins } from "./unet.ts";

/** A U-Net cut by how often its parts have to be computed. */
export interface UnetParts {
  /** All of it, as `unet` gives it. */
  readonly whole: Graph;
  /** "encoder_hidden_states" [B, S, D] → keys and values of the words in every cross-attention: once for a prompt. */
  readonly words: Graph;
  /**
   * The rest: the inputs of `unet`, with the outputs of `words` in place of the embedding → "out_sample"; where it was cut
   * at a branch also "deep", what comes up to that skip.
   */
  readonly rest: Graph;
  /** Where it was cut at a branch: the inputs of `rest`, as far as they are needed, and "deep" → "out_sample" alone. */
  readonly shallow?: Graph;
  /** Whether "sample", "timestep" and "timestep_cond" have a batch of 1 in the latter two, one for all words. */
  readonly shared: boolean;
}

/** What is the same for all words: up to the first cross-attention it is looked at once. */
const LATENT = ["sample", "timestep", "timestep_cond"];
/**
 * Of fewer places, 256×256 pixels, it gains little or nothing: with 64 places a call takes 1.08 times as long, with 256 0.95 to
 * 0.99, with 1024 0.91 to 0.93 (the embedded model's U-Net and a smaller one, two words). The runtime adds up what is alone
 * in its batch in another order, and small networks of random weights may multiply that (see decision 13).
 */
const SHARED_FROM = 1024;

/**
 * @param branch where the layers that change slowly from call to call are cut off (DeepCache, Ma et al. 2023, § 3.2): what
 *   lies below this skip, of those counted from 0, the first convolution's; the shallow part ends there. Default: nowhere
 */
export function unetParts(config: UnetConfig, shape: UnetShape, branch?: number): UnetParts {
  const { graph: whole, joins } = unetWithJoins(config, shape);
  const embedding = whole.inputs.filter(({ name }) => name === "encoder_hidden_states");
  const keys = followingFrom(whole, embedding);
  const outputs = Object.fromEntries(whole.outputs);
  const prediction = { out_sample: outputs["out_sample"]! };
  const words = partOf(whole, keys);
  const shared = shape.height * shape.width >= SHARED_FROM;
  const cut = (wanted: Named, given: Named): Graph => shareInputs(partOf(whole, wanted, given), shared ? LATENT : []);
  if (branch === undefined) return { whole, words, shared, rest: cut(outputs, keys) };
  const deep = joins[branch]!;
  const rest = cut({ ...outputs, deep }, keys);
  return { whole, words, shared, rest, shallow: cut(prediction, { ...keys, deep }) };
}

/** At how many places `unetParts` can cut: as many as there are skips. */
export function unetBranches({ layers_per_block: layers }: Pick<UnetConfig, "layers_per_block">): number {
  return layers.reduce((sum, count) => sum + count + 1, 0);
}
