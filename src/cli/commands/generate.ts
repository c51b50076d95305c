import { type Command, Option } from "commander";
import { limits } from "../../pipelines/limits.ts";
import type { Cli } from "../cli.ts";
import type { GenerateOptions } from "../generate.ts";
import { addDrawingOptions, format, integer } from "../options.ts";

/** `inkling "prompt"`: draws and saves pictures. */
export function generate(command: Command, cli: Cli): void {
  addDrawingOptions(command)
    .summary("draw pictures from a prompt (the default)")
    .description("Draws pictures from a prompt and saves them with their settings inside.")
    .option("-o, --output <path>", "file, folder, or - for stdout (default: inkling-<number>-<seed>.png here)")
    .option("--overwrite", "replace the file that is there")
    .option("--format <name>", "png, jpeg or webp (default: by the output's name, else png)", format)
    .option("-c, --count <n>", "how many pictures; picture i has seed + i", integer("It is", ...limits.count))
    .option("--preview [kind]", "show the picture growing: auto, kitty, iterm2, sixel, blocks or off (default: auto)")
    .option("--dry-run", "print the settings that would be drawn with, and draw nothing")
    .addOption(new Option("--json", "one event a line on stdout").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the paths of what was saved")
    .action(async (words: string[], options: GenerateOptions) =>
      (await import("../generate.ts")).generate(words, options, cli),
    );
}
