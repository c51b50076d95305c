import type { UnetConfig } from "../configs/index.ts";
import { followingFrom, type Graph, partOf } from "../graph/index.ts";
import { type UnetShape, unetWithJoins } from "./unet.ts";

/** A U-Net cut by how often its parts have to be computed. */
export interface UnetParts {
  /** All of it, as `unet` gives it. */
  readonly whole: Graph;
  /** "encoder_hidden_states" [B, S, D] → keys and values of the words in every cross-attention: once for a prompt. */
  readonly words: Graph;
  /** The rest: the inputs of `unet`, with the outputs of `words` in place of the embedding → "out_sample". */
  readonly rest: Graph;
}

export function unetParts(config: UnetConfig, shape: UnetShape): UnetParts {
  const { graph: whole } = unetWithJoins(config, shape);
  const keys = followingFrom(
    whole,
    whole.inputs.filter(({ name }) => name === "encoder_hidden_states"),
  );
  const outputs = Object.fromEntries(whole.outputs);
  return { whole, words: partOf(whole, keys), rest: partOf(whole, outputs, keys) };
}
