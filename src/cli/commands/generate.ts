import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import type { GenerateOptions } from "../generate.ts";
import { addDrawingOptions, addSavingOptions } from "../options.ts";

/** `inkling "prompt"`: draws and saves pictures. */
export function generate(command: Command, cli: Cli): void {
  addSavingOptions(
    addDrawingOptions(command)
      .summary("draw pictures from a prompt (the default)")
      .description("Draws pictures from a prompt and saves them with their settings inside."),
  ).action(async (words: string[], options: GenerateOptions) =>
    (await import("../generate.ts")).generate(words, options, cli),
  );
}
