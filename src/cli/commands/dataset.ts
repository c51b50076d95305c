import { type Command, Option } from "commander";
import { limits } from "../../pipelines/limits.ts";
import type { Cli } from "../cli.ts";
import type { DatasetCommandOptions } from "../dataset.ts";
import { integer } from "../options.ts";

/** `inkling dataset`: pictures with captions, generated or read, shown or written. */
export function dataset(command: Command, cli: Cli): void {
  command
    .summary("draw pictures with captions to learn from, or look at your own")
    .description(
      "Draws pictures with exact captions from the openly licensed drawings in the package, or reads those in a folder or a " +
        "tar as training will. Without --preview and --out the captions are listed, one a line.",
    )
    .argument("[source]", 'what: "drawings", "shapes", a folder, a WebDataset .tar or shard-{000..010}.tar', "drawings")
    .option("-p, --preview <file>", "lays them on one sheet with their captions: .png, .jpg or .webp")
    .option("-o, --out <path>", "writes them: a folder with metadata.jsonl, or a .tar")
    .option(
      "-n, --count <n>",
      "how many (default: 48, with --out 1000; all of a folder or tar)",
      integer("It is", 1, 100_000_000),
    )
    .option(
      "--seed <n>",
      "which drawings; the same seed, the same drawings (default: 0)",
      integer("Seeds are", 0, limits.seed[1]),
    )
    .option("--size <n>", "pixels of a side (default: 256, of shapes 64)", integer("It is", 16, 1024))
    .addOption(
      new Option("--split <name>", "what is learnt, or the combinations that never are (default: train)").choices([
        "train",
        "heldout",
      ]),
    )
    .option("--kinds <names>", "drawings of these kinds only, such as pixel,paint")
    .option("--caption <text>", "said of pictures in a folder or tar of which nothing else is said")
    .option("--overwrite", "replace files that exist")
    .addOption(new Option("--json", "one object a line on stdout: key, text, attributes").conflicts("quiet"))
    .option("-q, --quiet", "no progress")
    .action(async (source: string, options: DatasetCommandOptions) =>
      (await import("../dataset.ts")).datasetCommand(source, options, cli),
    );
}
