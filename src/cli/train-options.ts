import { type Command, Option } from "commander";
import { learningRateSchedules, trainLimits as limits, trainPrecisions } from "../training/limits.ts";
import { addDeviceOptions, integer, MODEL, number, OUTPUT, size } from "./options.ts";

/** What the help says of one command and not of another. */
interface About {
  /** What `--data` takes. */
  readonly data: string;
  /** What `--from` takes. */
  readonly from: string;
  /** What `--out` becomes. */
  readonly out?: string;
  /** Which steps hold unless said otherwise. */
  readonly steps?: string;
}

/** Gives `command` the options of `RecipeFlags` that say what is learnt, and opens the group of those that say how. */
export function addSubjectOptions(command: Command, { data, from, out = "becomes the model", steps }: About): Command {
  return command
    .option("--data <source>", data)
    .option("-m, --from <model>", from)
    .option("--config <file>", "a recipe: model and settings in a file (.json, .js, .ts); options beside it win")
    .option("-o, --out <folder>", `the folder that ${out}, with its checkpoints`)
    .option(
      "--steps <n>",
      ["steps of the optimizer", steps].filter(Boolean).join(" "),
      integer("Steps are", ...limits.steps),
    )
    .option("--resume [checkpoint]", "go on from the latest checkpoint in --out, or from this one")
    .optionsGroup("Learning:");
}

/** What the help says holds where nothing is said. */
interface LearningDefaults {
  readonly rate?: string;
  readonly ema?: number;
}

/** Gives `command` the options of every optimizer. */
export function addLearningOptions(command: Command, { rate = "0.0001", ema = 0.999 }: LearningDefaults = {}): Command {
  return command
    .option("-b, --batch <n>", "examples that are computed at once (default: 4)", integer("It is", ...limits.batch))
    .option("--accumulate <n>", "batches that make a step (default: 1)", integer("It is", ...limits.accumulate))
    .option("--gradient-checkpointing", "compute blocks twice rather than keep what they gave: slower, in less memory")
    .addOption(
      new Option(
        "--precision <name>",
        "of products: float32, or float16 on a graphics device that has it (default: float32)",
      ).choices(trainPrecisions),
    )
    .option("--lr <rate>", `the highest learning rate (default: ${rate})`, number(...limits.learningRate))
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
      `of the average of the weights that is written; 0 writes the weights themselves (default: ${ema})`,
      number(...limits.ema),
    )
    .option(
      "--seed <n>",
      "integer that fixes everything random (default: random)",
      integer("Seeds are", ...limits.seed),
    );
}

/** Gives `command` the options of `PictureFlags`. */
export function addPictureOptions(command: Command): Command {
  return command
    .option("-s, --size <WxH>", "pixels: 256, or 256x384 (default: the model's own)", size)
    .option("--flip", "mirror half of the pictures, but none whose caption says left or right");
}

/** Gives `command` the options of how noise and captions are learnt. */
export function addDiffusionOptions(command: Command, dropout: number): Command {
  return command
    .option(
      "--caption-dropout <share>",
      `pictures that are learnt without their caption, which guidance needs (default: ${dropout})`,
      number(...limits.captionDropout),
    )
    .option(
      "--snr-gamma <n>",
      "weigh noise levels by min-SNR, 5 is usual (default: 0, none)",
      number(...limits.snrGamma),
    );
}

/** Gives `command` the options that say where to compute, when to save and what to say. */
export function addRunOptions(command: Command): Command {
  return addDeviceOptions(command.optionsGroup(MODEL))
    .optionsGroup(OUTPUT)
    .option("--save-every <n>", "steps between checkpoints (default: 500)", integer("It is", ...limits.every))
    .option("--keep <n>", "checkpoints that stay (default: 2)", integer("It is", ...limits.keep))
    .option(
      "--watch [port]",
      "show curves and samples at a page on this machine (default: at a port that is free)",
      integer("Ports are", ...limits.port),
    )
    .addOption(new Option("--json", "one event a line on stdout").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the path of the model");
}

/** Gives `command` the options of what several processes may learn together. */
export function addProcessOptions(command: Command): Command {
  return command
    .option(
      "--processes <n>",
      "processes that learn together, --batch examples each (default: 1)",
      integer("It is", ...limits.processes),
    )
    .option("--redis <url>", "the Redis server by which they meet (default: one is started for them)");
}

/** Gives `command` the option of what shows samples. */
export function addSamplesOption(command: Command, what = "sample pictures"): Command {
  return command.option(
    "--samples-every <n>",
    `steps between ${what} (default: none)`,
    integer("It is", ...limits.every),
  );
}

/** Gives `command` the options of sample pictures of prompts, by default of `what`. */
export function addSampleOptions(command: Command, what: string): Command {
  return addSamplesOption(command).option(
    "--sample <prompt>",
    `what they show; may be given several times (default: ${what})`,
    (prompt: string, before: readonly string[] = []) => [...before, prompt],
  );
}
