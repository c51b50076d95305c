import type { Command } from "commander";
import { limits } from "../pipelines/limits.ts";
import { UsageError } from "./errors.ts";
import { integer } from "./options.ts";

/** What the commands that draw can be asked to choose from. */
export interface CandidateFlags {
  readonly bestOf?: number;
  readonly keepAll?: boolean;
}

/** Gives `command` the options of {@link CandidateFlags}. */
export function addCandidateOptions(command: Command): Command {
  return command
    .option(
      "--best-of <n>",
      "draw so many candidates for each, and keep what CLIP finds best",
      integer("It is", ...limits.bestOf),
    )
    .option("--keep-all", "with --best-of: keep all candidates");
}

/**
 * How many candidates there are for each picture, and how many of them are kept.
 *
 * @throws UsageError where all of them are to be kept and there are none
 */
export function candidatesOf({ bestOf = 1, keepAll = false }: CandidateFlags): { of: number; kept: number } {
  if (keepAll && bestOf === 1) throw onlyWithCandidates("--keep-all");
  return { of: bestOf, kept: keepAll ? bestOf : 1 };
}

export const onlyWithCandidates = (flag: string): UsageError =>
  new UsageError(`${flag} goes with --best-of, of two or more`);
