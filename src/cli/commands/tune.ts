import { type Command, Option } from "commander";
import { adapterFormats, trainLimits as limits, loraTargets } from "../../training/limits.ts";
import type { Cli } from "../cli.ts";
import { integer, number } from "../options.ts";
import type { TuneOptions } from "../train/tune.ts";
import {
  addDiffusionOptions,
  addLearningOptions,
  addPictureOptions,
  addRunOptions,
  addSampleOptions,
  addSubjectOptions,
} from "../train-options.ts";

/** `inkling tune`: one's own things, beside a model. */
export function tune(command: Command, cli: Cli): void {
  command
    .summary("teach a model one thing of yours, from a few pictures")
    .description(
      "Teaches a LoRA beside a model, or with --textual-inversion a new word, what your pictures show: " +
        '`inkling tune --data my-pictures --name "sks cat" --from sd1.5 --out my-cat`, then ' +
        '`inkling "a photo of sks cat" --model sd1.5 --lora my-cat/pytorch_lora_weights.safetensors`. The model itself stays as ' +
        "it is. With --full all of its weights learn, and --out becomes a model of its own: `--model ./my-cat`.",
    );
  addSubjectOptions(command, {
    data: "a folder of pictures, with captions or without, or a .tar of them",
    from: "a name of `inkling models`, a checkpoint folder, or a .safetensors file to tune",
    out: "gets what was learnt, with --full the model",
    steps: "(default: 500; of a new word 1000)",
  });
  command
    .option("--name <words>", 'what the pictures show, as prompts will call it: "sks cat"')
    .option(
      "--template <words>",
      'what is said of a picture that has no caption (default: "a photo of {name}"); captions without the name get it in front',
    )
    .option("--rank <n>", "of the LoRA (default: 8)", integer("It is", ...limits.rank))
    .option("--alpha <n>", "its strength is alpha / rank (default: the rank)", number(...limits.alpha))
    .addOption(
      new Option(
        "--targets <layers>",
        "what it stands beside: attention's projections, all of the transformers, or the convolutions too (default: attention)",
      ).choices(loraTargets),
    )
    .option("--train-text-encoder", "a LoRA for the text encoder too; with --full all of its weights")
    .option(
      "--prior <prompt>",
      'what else it should go on drawing as it does: "a cat"; it draws that first, and learns it along',
    )
    .option(
      "--prior-pictures <n>",
      "how many it draws of that (default: 100)",
      integer("They are", ...limits.priorPictures),
    )
    .option("--prior-weight <n>", "what these count beside your own (default: 1)", number(...limits.priorWeight))
    .addOption(
      new Option("--full", "teach all weights of the U-Net rather than a LoRA, and write a whole model").conflicts(
        "textualInversion",
      ),
    )
    .option("--textual-inversion", "learn only the vectors of a new word, --name")
    .option("--vectors <n>", "how many stand for it (default: 1)", integer("They are", ...limits.vectors))
    .option("--init <words>", "words whose vectors it begins with (default: object)");
  addDiffusionOptions(
    addLearningOptions(addPictureOptions(command), {
      rate: "0.0001; of a new word 0.005; with --full 0.00001",
      ema: 0,
    }),
    0,
  );
  addSampleOptions(addRunOptions(command), "the name")
    .addOption(
      new Option(
        "--format <layout>",
        "of the file, for diffusers or for kohya's and A1111's tools (default: diffusers)",
      ).choices(adapterFormats),
    )
    .action(async (options: TuneOptions) => (await import("../train/tune.ts")).tune(options, cli));
}
