import { z } from "zod";
import { trainLimits } from "../limits.ts";
import { commonDefaults, commonFixed, commonKeys, type RecipeKind, samplesEvery, text, whole } from "../recipe.ts";

/** How a captioner learns. */
export const captionerRecipe = {
  name: "captioner",
  example: "inkdrop-gpt2",
  schema: z.strictObject({
    ...commonKeys,
    clip: text.optional().describe("The CLIP that sees the pictures; the embedded one where it is left out"),
    tokens: whole(trainLimits.tokens).optional().describe("Tokens of a caption; 64 where the model has room"),
    prefix: whole(trainLimits.prefix)
      .optional()
      .describe("Embeddings before a caption, of a fresh mapping network; 10"),
    trainGpt2: z.boolean().optional().describe("Whether the GPT-2 learns too"),
    samplesEvery,
  }),
  defaults: { ...commonDefaults, trainGpt2: false },
  fixed: [...commonFixed, "clip", "tokens", "prefix", "trainGpt2"],
} as const satisfies RecipeKind;
