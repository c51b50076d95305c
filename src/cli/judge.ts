import type { Clip } from "../pipelines/clip.ts";
import type { Cli } from "./cli.ts";
import { remark, UsageError } from "./errors.ts";
import type { JudgeOptions } from "./judge-options.ts";
import { machineOf } from "./machine.ts";

/** Opens the CLIP that the options name, lets `work` ask it, and closes it. */
export async function withClip<T>(
  options: JudgeOptions,
  cli: Cli,
  work: (clip: Clip) => Promise<T>,
  onNote: (line: string) => void = (line) => remark(cli, line),
): Promise<T> {
  const { engine, env, signal } = cli;
  const clip = await engine.openClip(options.clip, { ...(await machineOf(options)), env, onNote });
  try {
    signal.throwIfAborted();
    const result = await work(clip);
    signal.throwIfAborted();
    return result;
  } finally {
    await clip.close();
  }
}

/** @throws UsageError for words that say nothing */
export function checkWords(words: string): string {
  if (words.trim() !== "") return words;
  throw new UsageError('the words are empty: say what the picture should show, such as "a red apple"');
}

/** As people read a score, and as JSON gives it. */
export const rounded = (score: number): number => Math.round(100 * score) / 100;
