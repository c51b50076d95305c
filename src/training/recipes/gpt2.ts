import { z } from "zod";
import { trainLimits } from "../limits.ts";
import {
  commonDefaults,
  commonFixed,
  commonKeys,
  json,
  type RecipeKind,
  samplesEvery,
  text,
  whole,
} from "../recipe.ts";

const model = z.strictObject({
  gpt2: json.describe("config.json of a GPT2LMHeadModel"),
  tokenizer: text.describe("Folder of a tokenizer, or a GPT-2 whose tokenizer is taken"),
});

/** How a GPT-2 learns. */
export const gpt2Recipe = {
  name: "gpt2",
  example: "inkdrop-gpt2",
  schema: z.strictObject({
    ...commonKeys,
    model: model.optional().describe("A GPT-2 that begins with fresh weights"),
    tokens: whole(trainLimits.tokens).optional().describe("Tokens of a row; 128 where the model has room"),
    packed: z.boolean().optional().describe("Texts one after another, no row with padding"),
    samplesEvery,
  }),
  defaults: { ...commonDefaults, packed: false },
  fixed: [...commonFixed, "model", "tokens", "packed"],
} as const satisfies RecipeKind;
