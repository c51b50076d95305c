import { type DType, InputError } from "../tensor/index.ts";
import type { ModelPart } from "./model-part.ts";
import type { WeightStore } from "./store.ts";

/** Published files carry these; no graph asks for them. */
const KNOWN_BUFFERS = [
  /(^|\.)position_ids$/,
  /(^|\.)(logit_scale|text_projection(\.weight)?|attn_mask)$/,
  // Stable Diffusion 2 conditions on the last layer but one.
  /^transformer\.resblocks\.\d+\./,
  // The causal masks of GPT-2 and its output weights, which are the embedding's; what training left of the VAE's.
  /\.attn\.(masked_)?bias$/,
  /^lm_head\.weight$/,
  /^loss\./,
];

/** How many disagreements a message shows. */
const SHOWN = 3;

/** What weights may be stored in. */
export const FLOATS: readonly DType[] = ["float16", "bfloat16", "float32", "float64"];

/**
 * Compares what a model asks for with what its files hold.
 *
 * Weights in 8 bits are `name` (int8) with `name.scale` beside it.
 *
 * @param part what is checked; its weights are described in messages
 * @param wanted every tensor that the graph asks for, by name, with its shape, in the model's order
 * @param options `partial`: the graph is a part of the model (the VAE's decoder), so more is no cause for a warning
 * @returns warnings for people: tensors that nobody asked for, unless published files are known to carry them
 * @throws InputError naming the file and the first tensors that are missing, of another shape or of a type that is no
 *   weight's
 */
export function checkWeights(
  { weights }: Pick<ModelPart, "weights">,
  wanted: ReadonlyMap<string, readonly number[]>,
  { partial = false } = {},
): readonly string[] {
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [name, shape] of wanted) {
    const stored = weights.get(name);
    if (!stored) missing.push(`${name} [${shape}]`);
    else if (stored.shape.join() !== shape.join()) {
      wrong.push(`${name} should have the shape [${shape}], but has [${stored.shape}]`);
    } else if (!FLOATS.includes(stored.dtype) && !(stored.dtype === "int8" && weights.get(`${name}.scale`))) {
      wrong.push(`${name} should hold floating-point numbers, but holds ${stored.dtype}`);
    }
  }
  if (wrong.length > 0) throw disagreement(weights, `does not fit its configuration: ${some(wrong, "; ")}`);
  if (missing.length > 0) {
    const all = missing.length === wanted.size ? "all" : `${missing.length} of the`;
    throw disagreement(
      weights,
      `lacks ${all} ${wanted.size} tensors that its configuration asks for: ${some(missing)}`,
    );
  }
  if (partial) return [];
  const extra = [...weights.names()].filter((name) => !wanted.has(name) && !isKnown(name, wanted));
  return extra.length > 0
    ? [`${weights.describe()} holds tensors that its configuration does not ask for: ${some(extra)}.`]
    : [];
}

function isKnown(name: string, wanted: ReadonlyMap<string, unknown>): boolean {
  if (name.endsWith(".scale") && wanted.has(name.slice(0, -".scale".length))) return true;
  return KNOWN_BUFFERS.some((pattern) => pattern.test(name));
}

function some(items: readonly string[], separator = ", "): string {
  const shown = items.slice(0, SHOWN).join(separator);
  return items.length > SHOWN ? `${shown}${separator}and ${items.length - SHOWN} more` : shown;
}

function disagreement(weights: WeightStore, what: string): InputError {
  return new InputError(
    `${weights.describe()} ${what}. Its config.json and its weights do not belong together, or the file is damaged: ` +
      "get both again.",
  );
}
