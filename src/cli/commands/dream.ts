import { type Command, Option } from "commander";
import { limits } from "../../pipelines/limits.ts";
import { addCandidateOptions } from "../candidate-options.ts";
import type { Cli } from "../cli.ts";
import type { DreamOptions } from "../dream.ts";
import { addDrawingOptions, format, integer } from "../options.ts";
import { addWritingOptions, PROMPTS } from "../writing-options.ts";

/** `inkling dream`: GPT-2 writes prompts, and each is drawn. */
export function dream(command: Command, cli: Cli): void {
  command
    .summary("write prompts and draw each, all on one contact sheet too")
    .description("Writes prompts with GPT-2, from nothing or from a beginning, draws each, and lays all on one sheet.")
    .optionsGroup(PROMPTS)
    .option("-p, --prompts <n>", "how many (default: 4)", integer("They are", ...limits.count))
    .option("--writer <name>", "a GPT-2 of `inkling models`, or a folder in transformers' layout");
  addWritingOptions(command);
  addCandidateOptions(addDrawingOptions(command, ["[beginning...]", "the words that every prompt starts with"]))
    .option("-o, --output <path>", "file or folder (default: inkling-<number>-<seed>.png here)")
    .option("--overwrite", "replace the files that are there")
    .option("--format <name>", "png, jpeg or webp (default: by the output's name, else png)", format)
    .option("--sheet <file>", "where the contact sheet goes (default: beside the pictures)")
    .option("--no-sheet", "make none")
    .option("--preview [kind]", "show the pictures growing: auto, kitty, iterm2, sixel, blocks or off (default: auto)")
    .addOption(new Option("--json", "one event a line on stdout").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the paths of what was saved")
    .action(async (words: string[], options: DreamOptions) => (await import("../dream.ts")).dream(words, options, cli));
}
