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
   * The rest: one "sample" and "timestep" (and "timestep_cond") for all words, with a batch of 1, and the outputs of `words` in
   * place of the embedding → "out_sample" for each; where it was cut at a branch also "deep", what comes up to that skip.
   */
  readonly rest: Graph;
  /** Where it was cut at a branch: the inputs of `rest`, as far as they are needed, and "deep" → "out_sample". */
  readonly shallow?: Graph;
}

/**
 * @param branch where the layers that change slowly from call to call are cut off (DeepCache, Ma et al. 2023, § 3.2): what
 *   lies below this skip, of those counted from 0, the first convolution's; the shallow part ends there. Default: nowhere
 */
export function unetParts(config: UnetConfig, shape: UnetShape, branch?: number): UnetParts {
  const { graph: whole, joins } = unetWithJoins(config, shape);
  const embedding = whole.inputs.filter(({ name }) => name === "encoder_hidden_states");
  const keys = followingFrom(whole, embedding);
  const outputs = Object.fromEntries(whole.outputs);
  const words = partOf(whole, keys);
  const cut = (wanted: Named, given: Named): Graph => shareInputs(partOf(whole, wanted, given), LATENT);
  if (branch === undefined) return { whole, words, rest: cut(outputs, keys) };
  const deep = joins[branch]!;
  return { whole, words, rest: cut({ ...outputs, deep }, keys), shallow: cut(outputs, { ...keys, deep }) };
}

/** What is the same for all words: up to the first cross-attention it is looked at once. */
const LATENT = ["sample", "timestep", "timestep_cond"];

/** At how many places `unetParts` can cut: as many as there are skips. */
export function unetBranches({ layers_per_block: layers }: Pick<UnetConfig, "layers_per_block">): number {
  return layers.reduce((sum, count) => sum + count + 1, 0);
}
