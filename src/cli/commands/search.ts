import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addJudgeOptions } from "../judge-options.ts";
import { integer } from "../options.ts";
import type { SearchOptions } from "../search.ts";

/** `inkling search`: pictures of a folder by words or by an example. */
export function search(command: Command, cli: Cli): void {
  addJudgeOptions(
    command
      .summary("find pictures in a folder by words, or by an example")
      .description(
        "Finds the pictures of a folder, and of the folders in it, that agree best with words or are most like a picture. " +
          "What was looked at once is kept in the cache folder.",
      )
      .argument("<folder>", "where to look")
      .argument("[words...]", "what to look for")
      .option("--like <picture>", "look for what is like this picture, instead of words")
      .option("--top <n>", "tell that many (default: 10)", integer("It is", 1, 1_000_000))
      .option("-q, --quiet", "no progress"),
  ).action(async (folder: string, words: string[], options: SearchOptions) =>
    (await import("../search.ts")).search(folder, words, options, cli),
  );
}
