import { type Command, Option } from "commander";
import { distances, trainLimits as limits } from "../../training/limits.ts";
import type { Cli } from "../cli.ts";
import { addDeviceOptions, integer, number } from "../options.ts";
import type { AllOptions } from "../train/all.ts";
import type { CaptionerOptions } from "../train/captioner.ts";
import type { DiffusionOptions } from "../train/diffusion.ts";
import type { Gpt2Options } from "../train/gpt2.ts";
import type { TrainOptions } from "../train/teach.ts";
import type { VaeOptions } from "../train/vae.ts";
import {
  addDiffusionOptions,
  addLearningOptions,
  addPictureOptions,
  addProcessOptions,
  addRunOptions,
  addSampleOptions,
  addSamplesOption,
  addSubjectOptions,
} from "../train-options.ts";

/** `inkling train`: models that learn. */
export function train(command: Command, cli: Cli): void {
  command
    .summary("teach a model with pictures and captions")
    .description(
      "Teaches a model: `inkling train diffusion --data pictures --from inkdrop-256 --steps 1000 --out mine`.",
    );
  diffusion(command.command("diffusion"), cli);
  vae(command.command("vae"), cli);
  clip(command.command("clip"), cli);
  gpt2(command.command("gpt2"), cli);
  captioner(command.command("captioner"), cli);
  all(command.command("all"), cli);
}

function all(command: Command, cli: Cli): void {
  command
    .summary("teach all parts of a model, stage by stage, by one recipe")
    .description(
      "Teaches a model from nothing: each stage of the recipe in a folder of its own, then the whole put together. The same command again " +
        "goes on where it stopped. The embedded model's is models/recipe.json of the package.",
    )
    .requiredOption("--config <file>", "the recipe: its stages and how they hang together (.json, .js, .ts)")
    .requiredOption("-o, --out <folder>", "the folder that becomes the model, with its stages")
    .option(
      "--scale <share>",
      "a rehearsal: so many of the steps, and of the examples in a batch, such as 0.01 (default: 1)",
      number(...limits.scale),
    )
    .option(
      "--seed <n>",
      "integer that fixes everything random (default: the recipe's)",
      integer("Seeds are", ...limits.seed),
    );
  addDeviceOptions(command)
    .addOption(new Option("--json", "one event a line on stdout").conflicts("quiet"))
    .option("-q, --quiet", "say nothing but the path of the model")
    .action(async (options: AllOptions) => (await import("../train/all.ts")).trainAll(options, cli));
}

/** What is learnt from, as the help says it. */
const PICTURES = "what to learn from: a folder of pictures with captions, or a .tar of them";

function diffusion(command: Command, cli: Cli): void {
  command
    .summary("teach a noise predictor, alone or with its text encoder")
    .description(
      "Teaches the U-Net of a model to tell the noise in pictures, from a model that is there or with fresh weights. " +
        'The folder that it writes is a model: `inkling "a cat" --model ./mine`.',
    );
  addSubjectOptions(command, {
    data: PICTURES,
    from: "a name of `inkling models`, a checkpoint folder, or a .safetensors file to begin with",
  });
  const learning = addLearningOptions(addPictureOptions(command));
  addDiffusionOptions(learning.option("--train-text-encoder", "let the text encoder learn too"), 0.1);
  addSampleOptions(addProcessOptions(addRunOptions(command)), "captions of the data").action(
    async (options: DiffusionOptions) => (await import("../train/diffusion.ts")).trainDiffusion(options, cli),
  );
}

function vae(command: Command, cli: Cli): void {
  command
    .summary("teach an autoencoder to give pictures back")
    .description(
      "Teaches a VAE (AutoencoderKL) to give pictures back, one that is there or one with fresh weights. Of a checkpoint it " +
        "writes a checkpoint with this VAE; of a VAE alone, or a fresh one, a folder that `--vae` takes.",
    );
  addSubjectOptions(command, {
    data: "what to learn from: a folder of pictures, or a .tar of them; captions are not needed",
    from: "a name of `inkling models`, a checkpoint, or the folder of a VAE to begin with",
  });
  addLearningOptions(addPictureOptions(command))
    .addOption(new Option("--distance <name>", "of pixels: l1, or l2, its square (default: l1)").choices(distances))
    .option(
      "--kl-weight <n>",
      "of the latents' divergence from a normal distribution, as LDM counts (default: 0.000001)",
      number(...limits.klWeight),
    )
    .option(
      "--discriminator <weight>",
      "let a judge of patches learn along, whose opinion counts so much; LDM takes 0.5 (default: 0, none)",
      number(...limits.discriminator),
    )
    .option(
      "--discriminator-start <n>",
      "steps before its opinion counts (default: 0)",
      integer("It is", ...limits.warmUp),
    );
  addSamplesOption(addRunOptions(command), "sheets of pictures beside what is made of them").action(
    async (options: VaeOptions) => (await import("../train/vae.ts")).trainVae(options, cli),
  );
}

function clip(command: Command, cli: Cli): void {
  command
    .summary("teach a CLIP which words belong to which picture")
    .description(
      "Teaches a CLIP to tell which caption of a batch belongs to which picture, so the larger --batch is, the better it learns; " +
        "--accumulate does not enlarge it. The folder that it writes is a CLIP: `inkling score a.png words --clip ./mine`.",
    );
  addSubjectOptions(command, { data: PICTURES, from: "a CLIP of `inkling models`, or a folder, to begin with" });
  addRunOptions(addLearningOptions(command)).action(async (options: TrainOptions) =>
    (await import("../train/clip.ts")).trainClip(options, cli),
  );
}

function gpt2(command: Command, cli: Cli): void {
  command
    .summary("teach a GPT-2 to write such texts")
    .description(
      "Teaches a GPT-2 which word comes next, by texts: one a line. The folder that it writes is a GPT-2: " +
        "`inkling write --model ./mine`.",
    );
  addSubjectOptions(command, {
    data: "what to learn from: a .txt or .jsonl, a folder of them, or pictures, whose captions are learnt",
    from: "a GPT-2 of `inkling models`, or a folder, to begin with",
  });
  addLearningOptions(command)
    .option(
      "--tokens <n>",
      "of a row (default: 128, or what the model has room for)",
      integer("It is", ...limits.tokens),
    )
    .option("--packed", "lay texts one after another instead of each in a row of its own, which leaves no padding");
  addSamplesOption(addRunOptions(command), "texts that it writes").action(async (options: Gpt2Options) =>
    (await import("../train/gpt2.ts")).trainGpt2(options, cli),
  );
}

function captioner(command: Command, cli: Cli): void {
  command
    .summary("teach a GPT-2 to say what CLIP sees")
    .description(
      "Teaches a captioner: a network that makes the beginning of a text of CLIP's view of a picture, alone or together with the " +
        "GPT-2 that goes on from it. The folder that it writes is a captioner: `inkling caption a.png --captioner ./mine`.",
    );
  addSubjectOptions(command, {
    data: PICTURES,
    from: "a captioner to go on with, or a GPT-2 to begin with: a name of `inkling models`, or a folder",
  });
  addLearningOptions(command)
    .option("--train-gpt2", "let the GPT-2 learn too")
    .option(
      "--tokens <n>",
      "of a caption, its beginning and its end counted (default: 64, or what there is room for)",
      integer("It is", ...limits.tokens),
    )
    .option(
      "--prefix <n>",
      "embeddings before a caption of a fresh network (default: 10)",
      integer("It is", ...limits.prefix),
    );
  addSamplesOption(addRunOptions(command), "sheets of pictures and what it says of them")
    .option("--clip <name>", "the CLIP that sees the pictures: a name or a folder (default: the embedded one)")
    .action(async (options: CaptionerOptions) => (await import("../train/captioner.ts")).trainCaptioner(options, cli));
}
