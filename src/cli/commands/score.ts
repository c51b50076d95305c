import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import { addJudgeOptions, type JudgeOptions } from "../judge-options.ts";

/** `inkling score`: how well a picture and words agree. */
export function score(command: Command, cli: Cli): void {
  addJudgeOptions(
    command
      .summary("how well a picture and words agree")
      .description(
        "Tells how well a picture and words agree: 100 times the cosine of their CLIP embeddings. Of several texts it " +
          "also tells how CLIP divides its belief over them.",
      )
      .argument("<picture>", "a PNG, JPEG or WebP file")
      .argument("<words...>", "one text, or several in quotes each"),
  ).action(async (picture: string, texts: string[], options: JudgeOptions) =>
    (await import("../score.ts")).score(picture, texts, options, cli),
  );
}
