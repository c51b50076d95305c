/**
 * The loss of a captioner (Mokady et al. 2021, eq. 2): the surprise at each next token of a caption that goes on from a picture.
 * B batch, T tokens, D values of the picture's embedding, N embeddings of the prefix.
 */
import type { ClipCapConfig, Gpt2Config } from "../../configs/index.ts";
import { Graph, include } from "../../graph/index.ts";
import { clipCapPrefix, gpt2WholeTexts } from "../../models/index.ts";
import { surprise } from "./gpt2.ts";

export interface CaptionerLossConfig {
  readonly clipCap: ClipCapConfig;
  /** Width of the mapping network's hidden layer. */
  readonly hidden: number;
  readonly gpt2: Gpt2Config;
}

export interface CaptionerLossShape {
  readonly batch: number;
  readonly tokens: number;
}

/**
 * "image_embeds" [B, D], each of length 1, "ids" [B, T] and "weights" [B, T − 1, 1] (see `gpt2Loss`) → "loss". Parameters stand under
 * "prefix." and "gpt2.".
 */
export function captionerLoss(
  { clipCap, hidden, gpt2 }: CaptionerLossConfig,
  { batch, tokens }: CaptionerLossShape,
): Graph {
  const g = new Graph("captioner_loss");
  const pictures = g.input("image_embeds", "float32", [batch, clipCap.clip_dim]);
  const ids = g.input("ids", "int64", [batch, tokens]);
  const mapping = clipCapPrefix(clipCap, { hidden, channels: gpt2.n_embd });
  const { prefix } = include(g, "prefix", mapping, { image_embeds: pictures }, { batch });
  const writer = gpt2WholeTexts(gpt2, { tokens, prefix: clipCap.tokens });
  const { logits } = include(g, "gpt2", writer, { input_ids: ids, prefix: prefix! }, { batch });
  g.output("loss", surprise(logits!, ids));
  return g;
}
