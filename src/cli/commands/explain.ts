import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import type { ExplainOptions } from "../explain.ts";
import { addDrawingOptions } from "../options.ts";

/** `inkling explain`: where the model looks for each word of a prompt. */
export function explain(command: Command, cli: Cli): void {
  addDrawingOptions(command)
    .summary("show where the model looks for each word of a prompt")
    .description(
      "Draws one picture and lays it on a sheet with a heat map for each word: where the U-Net's cross-attentions looked for " +
        "it, in all layers and steps together (DAAM).",
    )
    .option(
      "--word <words>",
      "only this word, or these behind each other; may be given again",
      (text, all: string[] = []) => [...all, text],
    )
    .option("-o, --out <file>", "the sheet (default: inkling-explain.png)")
    .option("--overwrite", "replace the file that is there")
    .option("-q, --quiet", "say nothing but the path of the sheet")
    .action(async (words: string[], options: ExplainOptions) =>
      (await import("../explain.ts")).explain(words, options, cli),
    );
}
