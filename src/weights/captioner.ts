import { join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { statOrUndefined } from "./files.ts";
import { type ModelPart, openModelPart } from "./model-part.ts";
import { openWeightFile } from "./store.ts";

/** A captioner's folder: a GPT-2 and what makes a prefix for it. */
export interface CaptionerFiles {
  readonly gpt2: ModelPart;
  /** The mapping network; its configuration stands in the GPT-2's config.json. */
  readonly prefix: ModelPart;
  /** Width of the mapping network's hidden layer, as its weights have it. */
  readonly hidden: number;
  /** The captioner's own folder where it holds a tokenizer, else that of the GPT-2 beside it. */
  readonly tokenizerFolder: string;
}

/**
 * Opens `folder`: a GPT-2 in transformers' layout (config.json, model.safetensors) and `prefix.safetensors` with the two
 * layers of ClipCap's mapping network, fc1 and fc2.
 *
 * @throws InputError naming the file that is missing or damaged
 */
export async function openCaptionerFolder(folder: string): Promise<CaptionerFiles> {
  const gpt2 = await openModelPart(folder);
  const path = join(folder, "prefix.safetensors");
  if (!(await statOrUndefined(path))) {
    throw new InputError(
      `${folder} holds no prefix.safetensors, so it is no captioner: that file makes GPT-2's beginning of a picture.`,
    );
  }
  const weights = await openWeightFile(path);
  const [hidden] = weights.get("fc1.weight")?.shape ?? [];
  if (hidden === undefined) {
    const found = [...weights.names()].slice(0, 5).join(", ") || "nothing";
    throw new InputError(
      `${path} holds ${found}, but no fc1.weight: only a mapping network of two layers can be read.`,
    );
  }
  const own = await Promise.all(["vocab.json", "tokenizer.json"].map((file) => statOrUndefined(join(folder, file))));
  const tokenizerFolder = own.some(Boolean) ? folder : join(folder, "..", "gpt2");
  return { gpt2, prefix: { ...gpt2, weights }, hidden, tokenizerFolder };
}
