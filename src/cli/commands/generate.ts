import type { Command } from "commander";
import { addCandidateOptions } from "../candidate-options.ts";
import type { Cli } from "../cli.ts";
import type { GenerateOptions } from "../generate.ts";
import { addDrawingOptions, addSavingOptions } from "../options.ts";

/** `inkling "prompt"`: draws and saves pictures. */
export function generate(command: Command, cli: Cli): void {
  addCandidateOptions(
    addSavingOptions(
      addDrawingOptions(command)
        .summary("draw pictures from a prompt (the default)")
        .description("Draws pictures from a prompt and saves them with their settings inside."),
    ),
  )
    .option("--clip <name>", "with --best-of: the CLIP to ask (default: the embedded one)")
    .action(async (words: string[], options: GenerateOptions) =>
      (await import("../generate.ts")).generate(words, options, cli),
    );
}
