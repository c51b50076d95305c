import type { Rule } from "./rename.ts";

/** transformers' GPT2LMHeadModel, with the `transformer.` prefix that newer files carry → without it, as first published. */
export const gpt2Keys: readonly Rule[] = [{ from: "transformer.", to: "" }];
