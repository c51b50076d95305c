import { parseAttention } from "../../../../src/text/prompt/attention.ts";

/** A run of a prompt as typed, its syntax included. */
export interface Run {
  readonly text: string;
  /** 1 is neutral; absent where the run is a break. */
  readonly weight: number | undefined;
}

/** A prompt cut where its weights change, for showing: joined again the runs are the prompt. */
export function runsOf(prompt: string): readonly Run[] {
  let fragments: ReturnType<typeof parseAttention>;
  try {
    fragments = parseAttention(prompt);
  } catch {
    // A weight that makes no sense, or not yet.
    return [{ text: prompt, weight: 1 }];
  }
  const starts = fragments.map(({ at, weight }, index) => {
    if (index === 0) return 0;
    // A fragment begins at its first letter; the brackets before it are its own.
    let start = at;
    while (weight !== 1 && /[([]/.test(prompt[start - 1]!) && prompt[start - 2] !== "\\") start--;
    return start;
  });
  return fragments.map(({ weight, isBreak }, index) => ({
    text: prompt.slice(starts[index], starts[index + 1]),
    weight: isBreak ? undefined : weight,
  }));
}
