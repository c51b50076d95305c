import type { Command } from "commander";
import { limits } from "../../pipelines/limits.ts";
import type { Cli } from "../cli.ts";
import type { GenerateOptions } from "../generate.ts";
import { addDrawingOptions, addSavingOptions, integer } from "../options.ts";

/** `inkling "prompt"`: draws and saves pictures. */
export function generate(command: Command, cli: Cli): void {
  addSavingOptions(
    addDrawingOptions(command)
      .summary("draw pictures from a prompt (the default)")
      .description("Draws pictures from a prompt and saves them with their settings inside."),
  )
    .option(
      "--best-of <n>",
      "draw so many candidates for each, and keep what CLIP finds best",
      integer("It is", ...limits.bestOf),
    )
    .option("--keep-all", "with --best-of: keep all candidates")
    .option("--clip <name>", "with --best-of: the CLIP to ask (default: the embedded one)")
    .action(async (words: string[], options: GenerateOptions) =>
      (await import("../generate.ts")).generate(words, options, cli),
    );
}
