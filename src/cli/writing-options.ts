import type { Command } from "commander";
import { limits } from "../pipelines/limits.ts";
import { integer, number } from "./options.ts";

/** What every command that writes prompts can be asked for. */
export interface WritingOptions {
  readonly maxLength?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly ban?: string;
  readonly wholeWords?: boolean;
  readonly candidates?: number;
  readonly clip?: string;
}

/** Heading of the help. */
export const PROMPTS = "Prompts:";

/** Gives `command` the options of {@link WritingOptions}. */
export function addWritingOptions(command: Command): Command {
  return command
    .option(
      "--max-length <n>",
      "tokens of a prompt at most, its beginning and its end counted (default: 40)",
      integer("It is", 1, Number.MAX_SAFE_INTEGER),
    )
    .option("-t, --temperature <n>", "below 1 surer, above 1 more surprising; 0 is greedy (default: 1)", number(0, 100))
    .option("--top-k <n>", "only the n likeliest tokens (default: all)", integer("It is", 0, Number.MAX_SAFE_INTEGER))
    .option("--top-p <share>", "only the likeliest tokens that together reach this probability", number(0, 1))
    .option("--repetition-penalty <n>", "above 1 makes what was written less likely to come again", number(0.01, 100))
    .option("--ban <file>", "words and phrases that must not be written, one a line; # begins a remark")
    .option(
      "--candidates <n>",
      "write so many and keep those whose words CLIP finds closest to the beginning (default: none to spare)",
      integer("It is", ...limits.count),
    )
    .option("--clip <name>", "the CLIP that compares candidates: a name of `inkling models` or a folder")
    .option("--no-whole-words", 'let the last word of the beginning go on ("a cas" may become "a castle")');
}
