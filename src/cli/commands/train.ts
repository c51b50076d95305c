import { type Command, Option } from "commander";
import { learningRateSchedules, trainLimits as limits } from "../../training/limits.ts";
import type { Cli } from "../cli.ts";
import { addDeviceOptions, integer, MODEL, number, OUTPUT, size } from "../options.ts";
import type { TrainOptions } from "../train/diffusion.ts";

/** `inkling train`: models that learn. */
export function train(command: Command, cli: Cli): void {
  command
    .summary("teach a model with pictures and captions")
    .description(
      "Teaches a model: `inkling train diffusion --data pictures --from inkdrop-256 --steps 1000 --out mine`.",
    );
  diffusion(command.command("diffusion"), cli);
}

function diffusion(command: Command, cli: Cli): void {
  command
    .summary("teach a noise predictor, alone or with its text encoder")
    .description(
      "Teaches the U-Net of a model to tell the noise in pictures, from a model that is there or with fresh weights. " +
        'The folder that it writes is a model: `inkling "a cat" --model ./mine`.',
    )
    .option("--data <pictures>", "what to learn from: a folder of pictures with captions, or a .tar of them")
    .option(
      "-m, --from <model>",
      "a name of `inkling models`, a checkpoint folder, or a .safetensors file to begin with",
    )
    .option("--config <file>", "a recipe: model and settings in a file (.json, .js, .ts); options beside it win")
    .option("-o, --out <folder>", "the folder that becomes the model, with its checkpoints")
    .option("--steps <n>", "steps of the optimizer", integer("Steps are", ...limits.steps))
    .option("--resume [checkpoint]", "go on from the latest checkpoint in --out, or from this one")
    .optionsGroup("Learning:")
    .option("-b, --batch <n>", "pictures that are computed at once (default: 4)", integer("It is", ...limits.batch))
    .option("--accumulate <n>", "batches that make a step (default: 1)", integer("It is", ...limits.accumulate))
    .option("-s, --size <WxH>", "pixels: 256, or 256x384 (default: the model's own)", size)
    .option("--flip", "mirror half of the pictures")
    .option("--lr <rate>", "the highest learning rate (default: 0.0001)", number(...limits.learningRate))
    .addOption(
      new Option("--schedule <name>", "how the rate goes on after the warm-up (default: constant)").choices(
        learningRateSchedules,
      ),
    )
    .option("--warm-up <n>", "steps over which it rises from 0 (default: 0)", integer("It is", ...limits.warmUp))
    .option("--weight-decay <n>", "of AdamW (default: 0.01)", number(...limits.weightDecay))
    .option("--max-norm <n>", "clip gradients to this length (default: 1)", number(...limits.maxNorm))
    .option(
      "--ema <decay>",
      "of the average of the weights that is written; 0 writes the weights themselves (default: 0.999)",
      number(...limits.ema),
    )
    .option("--train-text-encoder", "let the text encoder learn too")
    .option(
      "--caption-dropout <share>",
      "pictures that are learnt without their caption, which guidance needs (default: 0.1)",
      number(...limits.captionDropout),
    )
    .option(
      "--snr-gamma <n>",
      "weigh noise levels by min-SNR, 5 is usual (default: 0, none)",
      number(...limits.snrGamma),
    )
    .option(
      "--seed <n>",
      "integer that fixes everything random (default: random)",
      integer("Seeds are", ...limits.seed),
    )
    .optionsGroup(MODEL);
  addDeviceOptions(command)
    .optionsGroup(OUTPUT)
    .option("--save-every <n>", "steps between checkpoints (default: 500)", integer("It is", ...limits.every))
    .option("--keep <n>", "checkpoints that stay (default: 2)", integer("It is", ...limits.keep))
    .option("--samples-every <n>", "steps between sample pictures (default: none)", integer("It is", ...limits.every))
    .option(
      "--sample <prompt>",
      "what they show; may be given several times (default: captions of the data)",
      (prompt: string, before: readonly string[] = []) => [...before, prompt],
    )
    .addOption(new Option("--json", "one event a line on stdout").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the path of the model")
    .action(async (options: TrainOptions) => (await import("../train/diffusion.ts")).trainDiffusion(options, cli));
}
