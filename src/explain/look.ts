import type { OpenModel } from "../pipelines/inkling.ts";
import type { AttentionMaps, UnetCall } from "../pipelines/inside.ts";
import type { Tensor } from "../tensor/index.ts";
import { plainWords } from "./plain-words.ts";
import { type PromptWord, promptWords } from "./prompt-words.ts";

export interface LookSettings {
  /** As it stands: nothing in it is syntax. */
  readonly prompt: string;
  /** Of training: how noisy the latents are. */
  readonly timestep: number;
  readonly signal?: AbortSignal;
}

/** What the U-Net makes of noisy latents and words. */
export interface LookedAt {
  /** In the checkpoint's own prediction type, of the shape of the latents. */
  readonly prediction: Float32Array;
  readonly attention: AttentionMaps;
  readonly words: readonly PromptWord[];
}

/** One call of the U-Net with its cross-attentions told: `latents` [1, C, H, W] with the noise of a timestep in them. */
export async function lookAt(
  latents: Tensor<"float32">,
  { prompt, timestep, signal }: LookSettings,
  { networks, tokenizer }: Pick<OpenModel, "networks" | "tokenizer">,
): Promise<LookedAt> {
  const { ids, embedding } = await plainWords(prompt, { networks, tokenizer }, signal);
  let call: UnetCall | undefined;
  const unet = networks.noisePredictor({ maps: true }, (made) => {
    call = made;
  });
  try {
    await unet.predict({ sample: latents, timestep, words: [embedding] }, signal);
  } finally {
    unet.dispose();
  }
  const { prediction, attention } = call!.said[0]!;
  return { prediction, attention, words: promptWords(ids, tokenizer) };
}
