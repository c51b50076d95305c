import { type Fragment, parseAttention } from "./attention.ts";
import { parseComposition } from "./composition.ts";
import { blankLoraTags } from "./lora-tags.ts";
import { parseSchedule, scheduleOf } from "./schedule.ts";

/** What one part of a prompt says until a step, as words with their weights. */
export interface PromptStage {
  /** The last step that sees it, counted from 1. */
  readonly until: number;
  readonly text: string;
  readonly fragments: readonly Fragment[];
}

/** One of the prompts that `AND` joins, with all that it says on the way. */
export interface ReadPart {
  readonly weight: number;
  readonly stages: readonly PromptStage[];
}

export interface ReadPromptOptions {
  /** Steps of the walk, which editing counts and alternation follows. */
  readonly steps: number;
  /** Whether `AND` composes; where it does not (A1111's negative prompt) it is a word. Default true. */
  readonly composition?: boolean;
  /** What the prompt is called in errors. Default "prompt". */
  readonly name?: string;
}

/**
 * A prompt in A1111's syntax, in the order in which the web UI reads it: cut at `AND`, then the text of every step, then
 * that text's weights. Brackets that are not balanced are text, never an error.
 *
 * @throws PromptError naming the place of a number that makes no sense
 */
export function readPrompt(typed: string, { steps, composition = true, name }: ReadPromptOptions): ReadPart[] {
  // What a tag asks for is no word of the prompt.
  const prompt = blankLoraTags(typed);
  const parts = composition ? parseComposition(prompt, name) : [{ text: prompt, weight: 1, at: 0 }];
  return parts.map(({ text: part, weight, at }) => {
    const known = new Map<string, readonly Fragment[]>();
    const stages = scheduleOf(parseSchedule(part, { at, name }), steps).map(({ until, text, locate }) => {
      const fragments = known.get(text) ?? parseAttention(text, { locate, name });
      known.set(text, fragments);
      return { until, text, fragments };
    });
    return { weight, stages };
  });
}
