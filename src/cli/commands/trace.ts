import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addDrawingOptions, type DrawingOptions } from "../options.ts";

/** `inkling trace`: every number on the way to a picture, to compare with another program's. */
export function trace(command: Command, cli: Cli): void {
  addDrawingOptions(command)
    .summary("write every number on the way to a picture to a file")
    .description(
      "Draws one picture and writes every number on its way to a .safetensors file: tokens, embeddings, noise, " +
        "timesteps, sigmas, prediction.K and latents.K of each call, image.",
    )
    .option("-o, --output <file>", "the file (default: inkling-trace.safetensors)")
    .option("--overwrite", "replace the file that is there")
    .option("-q, --quiet", "say nothing but the path of the file")
    .action(async (words: string[], options: DrawingOptions) =>
      (await import("../trace.ts")).trace(words, options, cli),
    );
}
