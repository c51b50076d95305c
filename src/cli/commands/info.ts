import type { Command } from "commander";
import type { Cli } from "../cli.ts";

/** `inkling info`: what a picture was drawn with, or what a model consists of. */
export function info(command: Command, cli: Cli): void {
  command
    .summary("what a picture was drawn with, or what a model consists of")
    .description("Tells what a picture was drawn with, or what a model consists of.")
    .argument("<picture or model>", "a PNG, JPEG or WebP file, a checkpoint, or a name of `inkling models`")
    .option("--config <folder>", "checkpoint folder whose configs belong to a single file")
    .option("--json", "as JSON")
    .action(async (name: string, options: { json?: boolean; config?: string }) =>
      (await import("../info.ts")).info(name, options, cli),
    );
}
