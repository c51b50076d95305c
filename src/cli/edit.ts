import { createInterface } from "node:readline/promises";
import { InputError } from "../tensor/index.ts";
import { wholeWords } from "../text/whole-words.ts";
import { type Cli, Stopped } from "./cli.ts";

/** One phrase that takes the place of another. */
export interface Replacement {
  readonly from: string;
  /** Empty: the phrase is taken out. */
  readonly to: string;
}

/**
 * `words` with every occurrence of the phrase replaced, whole words only, in any case.
 *
 * @throws InputError where the phrase does not occur
 */
export function replaced(words: string, { from, to }: Replacement): string {
  const phrase = wholeWords(from);
  if (!phrase.test(words)) {
    throw new InputError(`"${from}" cannot be replaced: it does not occur in "${words}".`);
  }
  const out = words.replace(phrase, () => to);
  return to === "" ? out.replace(/\s+(?=[\s,.]|$)/g, "").trim() : out;
}

/** `words` with more behind them, after a comma. */
export function added(words: string, more: string): string {
  return [words, more].filter((part) => part.trim() !== "").join(", ");
}

/** Whether there is a person at a terminal who can be asked. */
export function canAsk({ stdin, stderr }: Pick<Cli, "stdin" | "stderr">): boolean {
  return Boolean(stdin?.isTTY && stderr.isTTY);
}

/**
 * Lets a person change `words` on the terminal's own line; Enter takes them as they stand.
 *
 * @throws Stopped after Ctrl-C and Ctrl-D, which the terminal sends as keys meanwhile
 */
export async function askFor(words: string, { stdin, stderr, signal }: Cli): Promise<string> {
  const line = createInterface({ input: stdin!, output: stderr, terminal: true, historySize: 0 });
  const stop = new AbortController();
  const end = (): void => stop.abort(new Stopped("interrupted", 130));
  line.on("SIGINT", end).on("close", end);
  try {
    const answer = line.question("prompt: ", { signal: AbortSignal.any([signal, stop.signal]) });
    line.write(words);
    return await answer;
  } catch (error) {
    stderr.write("\n");
    signal.throwIfAborted();
    stop.signal.throwIfAborted();
    throw error;
  } finally {
    line.close();
  }
}
