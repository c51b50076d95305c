import { PromptError } from "./prompt-error.ts";

/** An adapter that a prompt asks for, as A1111's users write it: `<lora:name:0.8>`. */
export interface LoraTag {
  readonly name: string;
  /** Of the U-Net and of the text encoder; `<lora:name:0.8:0.5>` tells the second apart, text first as A1111 has it. */
  readonly unet: number;
  readonly text: number;
  /** Offset of the tag in the prompt. */
  readonly at: number;
}

const TAG = /<(?:lora|lyco):([^:<>]+)((?::[^:<>]*)*)>/g;

/**
 * The adapters that a prompt names, in order.
 *
 * @throws PromptError for a scale that is no number
 */
export function loraTags(prompt: string, name = "prompt"): LoraTag[] {
  return [...prompt.matchAll(TAG)].map(({ 0: shown, 1: adapter, 2: rest, index }) => {
    const [text = 1, unet = text, ...more] = rest!
      .split(":")
      .slice(1)
      .map((part) => (part.trim() ? Number(part) : Number.NaN));
    if (more.length === 0 && Number.isFinite(text) && Number.isFinite(unet)) {
      return { name: adapter!.trim(), text, unet, at: index };
    }
    const place = { name, at: index, end: index + shown.length, shown };
    throw new PromptError("an adapter is written <lora:name:0.8>, with a number for its scale.", place);
  });
}

/** The prompt with spaces in the place of its tags, so that everything else stays where it was. */
export function blankLoraTags(prompt: string): string {
  return prompt.replace(TAG, (tag) => " ".repeat(tag.length));
}
