import { PromptError } from "./prompt-error.ts";

/** One of the prompts that `AND` joins (Liu et al. 2022, composable diffusion). */
export interface PromptPart {
  readonly text: string;
  /** How strongly it pulls; 1 where nothing is said. */
  readonly weight: number;
  /** Offset of `text` in the whole prompt. */
  readonly at: number;
}

const AND = /\bAND\b/g;
/** The end of a part: `: 1.2`. */
const WEIGHT = /:\s*([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/**
 * Cuts a prompt at each `AND`, wherever it stands, as A1111's web UI does. `a :1.2` is a part's weight; a prompt without
 * `AND` has none, so that "at 10:30" stays what it says.
 *
 * @throws PromptError for a weight that is no finite number
 */
export function parseComposition(prompt: string, name = "prompt"): PromptPart[] {
  const parts: PromptPart[] = [];
  let start = 0;
  for (const { index } of [...prompt.matchAll(AND), { index: undefined }]) {
    const whole = prompt.slice(start, index);
    if (start === 0 && index === undefined) return [{ text: prompt, weight: 1, at: 0 }];
    const trimmed = whole.trimEnd();
    const found = WEIGHT.exec(trimmed);
    const text = found ? trimmed.slice(0, found.index) : trimmed;
    const weight = Number(found?.[1] ?? 1);
    if (!Number.isFinite(Math.fround(weight))) {
      const shown = found![1]!;
      const end = start + trimmed.length;
      throw new PromptError("the weight of a part has to be a finite number.", {
        ...{ name, at: end - shown.length, end, shown },
      });
    }
    parts.push({ text: text.trim(), weight, at: start + (text.length - text.trimStart().length) });
    start = (index ?? prompt.length) + "AND".length;
  }
  return parts;
}
