import { type Command, Option } from "commander";
import { limits } from "../../pipelines/limits.ts";
import type { Cli } from "../cli.ts";
import { addConfigOptions, addMachineOptions, integer, MODEL, OUTPUT } from "../options.ts";
import type { WriteOptions } from "../write.ts";
import { addWritingOptions, PROMPTS } from "../writing-options.ts";

/** `inkling write`: GPT-2 writes prompts. */
export function write(command: Command, cli: Cli): void {
  command
    .summary("write prompts, from nothing or from a beginning")
    .description("Writes prompts with GPT-2, from nothing or from a beginning, one a line on stdout.")
    .argument("[beginning...]", "the words that every prompt starts with")
    .optionsGroup(PROMPTS)
    .option("--goal <name>", "an intention that stands for settings: fast, quality, creative; see `inkling goals`")
    .option("-c, --count <n>", "how many; prompt i has seed + i (default: 1)", integer("It is", ...limits.count));
  addWritingOptions(command)
    .option("--seed <n>", "integer that fixes what is written (default: random)", integer("Seeds are", ...limits.seed))
    .optionsGroup(MODEL)
    .option("-m, --model <name>", "a GPT-2 of `inkling models`, or a folder in transformers' layout");
  addMachineOptions(command).addOption(
    new Option("--weights <form>", "8bit is faster and takes less memory, but is not exact (default: float32)").choices(
      ["float32", "8bit"],
    ),
  );
  addConfigOptions(command)
    .optionsGroup(OUTPUT)
    .addOption(new Option("--json", "one object a line: text, tokens, seed, probability, score").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the prompts")
    .action(async (words: string[], options: WriteOptions) =>
      (await import("../write.ts")).writePromptLines(words, options, cli),
    );
}
