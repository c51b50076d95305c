import type { Command } from "commander";
import { limits } from "../../pipelines/limits.ts";
import type { CaptionOptions } from "../caption.ts";
import type { Cli } from "../cli.ts";
import { addJudgeOptions } from "../judge-options.ts";
import { integer, number } from "../options.ts";

/** `inkling caption`: pictures in words. */
export function caption(command: Command, cli: Cli): void {
  addJudgeOptions(
    command
      .summary("describe pictures in words")
      .description("Describes pictures in words, by a GPT-2 that goes on from CLIP's view of them.")
      .argument("<pictures...>", "PNG, JPEG or WebP files")
      .option(
        "-c, --count <n>",
        "how many different captions of each, with their CLIP scores, the best first (default: 1)",
        integer("It is", ...limits.captions),
      )
      .option(
        "-t, --temperature <n>",
        "below 1 surer, above 1 more surprising; 0 takes the likeliest words (default: 0, with --count 0.7)",
        number(0, 100),
      )
      .option("--max-length <n>", "tokens of a caption at most (default: 60)", integer("It is", 1, 10_000))
      .option("--seed <n>", "integer that fixes what is said (default: random)", integer("Seeds are", ...limits.seed))
      .option("--captioner <name>", "a captioner of `inkling models`, or a folder (default: the embedded one)"),
  ).action(async (paths: string[], options: CaptionOptions) =>
    (await import("../caption.ts")).captionCommand(paths, options, cli),
  );
}
