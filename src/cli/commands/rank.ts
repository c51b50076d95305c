import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addJudgeOptions } from "../judge-options.ts";
import { integer } from "../options.ts";
import type { RankingOptions } from "../ranking.ts";

/** `inkling rank`: pictures by how well they agree with words. */
export function rank(command: Command, cli: Cli): void {
  addJudgeOptions(
    command
      .summary("sort pictures by how well they agree with words")
      .description("Sorts pictures by how well they agree with words, as CLIP judges; the best come first.")
      .usage('[options] <pictures...> "words"')
      .argument("<pictures and words...>", "PNG, JPEG or WebP files, and the words last")
      .option("--top <n>", "tell that many (default: all)", integer("It is", 1, 1_000_000)),
  ).action(async (args: string[], options: RankingOptions) => (await import("../rank.ts")).rank(args, options, cli));
}
