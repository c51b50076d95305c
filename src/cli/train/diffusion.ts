import { join, resolve } from "node:path";
import { makeFolder } from "../../image/index.ts";
import { startMachine } from "../../pipelines/machine.ts";
import type { Runtime } from "../../runtime/index.ts";
import {
  createEventFile,
  type Dataset,
  type DiffusionModel,
  diffusionLesson,
  diffusionModel,
  type Lesson,
  lockFolder,
  openCache,
  type TrainSettings,
  train,
} from "../../training/index.ts";
import { hashFiles } from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { remark } from "../errors.ts";
import { machineOf } from "../machine.ts";
import type { MachineFlags } from "../options.ts";
import { captionsOf, openData } from "./data.ts";
import { partsOf } from "./model.ts";
import { type RecipeFlags, type Wanted, type WholeRecipe, wantedRecipe } from "./recipe.ts";
import { trainReporter } from "./reporter.ts";
import { sampler } from "./samples.ts";

export interface TrainOptions extends RecipeFlags, Pick<MachineFlags, "device" | "threads"> {
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Prompts of the sample pictures where none are given. */
const SAMPLES = 4;

/**
 * Teaches a diffusion model, telling how it goes. Ctrl-C stops after the step at hand, with a checkpoint and the model so far.
 *
 * @throws UsageError where it is not said what to learn; InputError for what lies in files
 */
export async function trainDiffusion(options: TrainOptions, cli: Cli): Promise<void> {
  const wanted = await wantedRecipe(options);
  const { recipe } = wanted;
  const machine = await machineOf(options);
  const model = diffusionModel(await partsOf(wanted, cli.env));
  const size = pixelsOf(recipe, model);
  const data = await openData(recipe, size, cli.signal);
  cli.signal.throwIfAborted();

  const folder = resolve(recipe.output);
  const { runtime, choice } = await startMachine({ ...machine, prepared: false }, cli.env);
  try {
    const lesson = await diffusionLesson(model, runtime, {
      ...size,
      // Fresh weights say nothing before they learn.
      trainTextEncoder: recipe.trainTextEncoder || recipe.model !== undefined,
      captionDropout: recipe.captionDropout,
      snrGamma: recipe.snrGamma,
      seed: recipe.seed,
      cacheOf: await cachesOf(model, folder, (line) => remark(cli, line)),
    });
    const intro = `${data.name}: ${data.length} pictures, on ${choice.device} (${choice.reason})`;
    await teach({ ...wanted, lesson, data, size, folder, runtime, intro }, options, cli);
    await lesson.close();
  } finally {
    await runtime.close();
  }
}

interface Teaching extends Wanted {
  readonly lesson: Lesson;
  readonly data: Dataset;
  readonly size: { readonly width: number; readonly height: number };
  readonly folder: string;
  readonly runtime: Runtime;
  readonly intro: string;
}

/** Nothing is written before this: all that can be known to be wrong is known. */
async function teach(
  { recipe, resume, lesson, data, size, folder, runtime, intro }: Teaching,
  options: TrainOptions,
  cli: Cli,
): Promise<void> {
  await makeFolder(folder);
  const unlock = await lockFolder(folder);
  const log = await createEventFile(join(folder, "logs"));
  const reporter = trainReporter(cli, log, options);
  try {
    reporter.note(intro);
    const { samplesEvery: every, samples: prompts = every ? await captionsOf(data, SAMPLES) : [] } = recipe;
    const machine = await machineOf(options);
    const draw = sampler({ prompts, seed: recipe.seed, ...size, machine, log }, cli);
    const settings: TrainSettings = {
      ...settingsOf(recipe, folder),
      resume,
      samples: every === undefined ? undefined : { every, draw },
      signal: cli.signal,
    };
    for await (const event of train(lesson, data, runtime, settings)) await reporter.event(event);
  } finally {
    reporter.end();
    await log.close();
    unlock();
  }
}

/** What frozen networks give is kept beside the model, so that a run that goes on does not make it again. */
async function cachesOf(
  { vae, textEncoder, tokenizer }: DiffusionModel,
  folder: string,
  onTrouble: (line: string) => void,
) {
  const files = { vae: vae?.weights.files() ?? [], "text encoder": textEncoder.weights?.files() ?? [] };
  const identities = {
    vae: JSON.stringify([await hashFiles(files.vae), vae?.config]),
    "text encoder": JSON.stringify([await hashFiles(files["text encoder"]), textEncoder.config, tokenizer]),
  };
  return (network: keyof typeof files) =>
    openCache(join(folder, "cache"), { identity: identities[network], onTrouble });
}

function settingsOf(recipe: WholeRecipe, folder: string): TrainSettings {
  const { steps, batch, accumulate, learningRate: rate, schedule, warmUp, seed, saveEvery, keep } = recipe;
  return {
    ...{ steps, batch, accumulate, rate, schedule, warmUp, seed, saveEvery, keep, folder },
    optimizer: {
      weightDecay: recipe.weightDecay,
      maxNorm: recipe.maxNorm,
      emaDecay: recipe.ema,
      emaWarmUp: true,
    },
    record: recipe,
  };
}

/** The size to learn at: what was asked for, else what the U-Net was made for. */
function pixelsOf({ size }: WholeRecipe, { config, scale }: DiffusionModel): { width: number; height: number } {
  if (size !== undefined) {
    const [width, height] = typeof size === "number" ? [size, size] : size;
    return { width, height };
  }
  const { sample_size: own } = config.unet;
  const [rows, columns] = typeof own === "number" ? [own, own] : own;
  return { width: columns * scale, height: rows * scale };
}
