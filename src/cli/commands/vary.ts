import { type Command, InvalidArgumentError } from "commander";
import { addCandidateOptions } from "../candidate-options.ts";
import type { Cli } from "../cli.ts";
import type { Replacement } from "../edit.ts";
import { addDrawingOptions, addSavingOptions } from "../options.ts";
import type { VaryOptions } from "../vary.ts";

/** `inkling vary`: describe a picture, edit the words, draw it again. */
export function vary(command: Command, cli: Cli): void {
  addDrawingOptions(
    command
      .summary("describe a picture, edit the words, draw it again")
      .description(
        "Describes a picture in words, lets you edit them, and draws it again by them, starting from the picture. A " +
          "picture that carries its own prompt is taken at its word. On a terminal the words can be edited before " +
          "anything is drawn.",
      )
      .usage("[options] <picture> [other words]")
      .argument("<picture>", "a PNG, JPEG or WebP file")
      .optionsGroup(WORDS)
      .option("--replace <old=new>", "put other words in the place of some; may be given again", replacement)
      .option("--add <words>", "say more, behind a comma; may be given again", (words, all: string[] = []) => [
        ...all,
        words,
      ])
      .option("--no-edit", "take the words as they are, without asking")
      .option("--describe", "describe the picture even where it carries its own prompt")
      .option("--captioner <name>", "a captioner of `inkling models`, or a folder (default: the embedded one)")
      .option(
        "--clip <name>",
        "the CLIP that the captioner was trained with, and that --best-of asks (default: the embedded one)",
      ),
  );
  addCandidateOptions(addSavingOptions(command)).action(async (path: string, words: string[], options: VaryOptions) =>
    (await import("../vary.ts")).vary(path, words, options, cli),
  );
}

/** Heading of the help. */
const WORDS = "Words:";

function replacement(text: string, all: readonly Replacement[] = []): Replacement[] {
  const at = text.indexOf("=");
  if (at > 0) return [...all, { from: text.slice(0, at).trim(), to: text.slice(at + 1).trim() }];
  throw new InvalidArgumentError("Write old=new, such as blue=green; old= takes the words out.");
}
