import { basename, join, resolve } from "node:path";
import type { GenerateSettings } from "../../pipelines/settings.ts";
import {
  type AdapterFormat,
  type Dataset,
  type DiffusionBatchOptions,
  type DiffusionModel,
  diffusionLesson,
  diffusionModel,
  type Example,
  fitted,
  fullRecipe,
  inversionLesson,
  inversionRecipe,
  type Lesson,
  type LoraTarget,
  loraLesson,
  loraRecipe,
  named,
  type Pair,
  pairs,
  type WholeRecipe,
  withPrior,
} from "../../training/index.ts";
import type { Cli } from "../cli.ts";
import { remark, UsageError } from "../errors.ts";
import { captionsOf, openData } from "./data.ts";
import { cachesOf, checkpointOf, pixelsOf } from "./model.ts";
import { type PriorWanted, priorPictures } from "./prior.ts";
import type { PictureFlags } from "./recipe.ts";
import { sampler } from "./samples.ts";
import { type Prepared, type Subject, type TrainOptions, teach } from "./teach.ts";

export interface TuneOptions extends TrainOptions, PictureFlags, LoraFlags, InversionFlags, WeightsFlags {
  readonly name?: string;
  readonly template?: string;
  readonly format?: AdapterFormat;
  readonly textualInversion?: boolean;
  /** All weights of the model. */
  readonly full?: boolean;
  readonly captionDropout?: number;
  readonly snrGamma?: number;
  readonly samplesEvery?: number;
  readonly sample?: readonly string[];
}

/** Of a LoRA alone. */
interface LoraFlags {
  readonly rank?: number;
  readonly alpha?: number;
  readonly targets?: LoraTarget;
}

/** Of what may change all that a model draws: a LoRA, or all of its weights. */
interface WeightsFlags {
  readonly trainTextEncoder?: boolean;
  readonly prior?: string;
  readonly priorPictures?: number;
  readonly priorWeight?: number;
}

/** Of a new word alone. */
interface InversionFlags {
  readonly vectors?: number;
  readonly init?: string;
}

type LoraRecipe = WholeRecipe<typeof loraRecipe>;
type InversionRecipe = WholeRecipe<typeof inversionRecipe>;
type FullRecipe = WholeRecipe<typeof fullRecipe>;

/**
 * Teaches a LoRA, or a new word, beside a model that stays as it is; or all weights of the model, which is written anew.
 *
 * @throws UsageError for options that mean nothing together; what {@link teach} throws
 */
export function tune({ textualInversion = false, full = false, ...options }: TuneOptions, cli: Cli): Promise<void> {
  checkTogether({ ...options, textualInversion, full });
  if (textualInversion) return teach(inversion, options, cli);
  return full ? teach(whole, options, cli) : teach(lora, options, cli);
}

function checkTogether({ textualInversion, full, config, resume, ...options }: TuneOptions): void {
  const { rank, alpha, targets, trainTextEncoder, prior, priorPictures, priorWeight, vectors, init, format } = options;
  const ofLora = { rank, alpha, targets };
  if (textualInversion) {
    const stray = firstOf({ ...ofLora, trainTextEncoder, prior, priorPictures, priorWeight });
    if (stray) throw new UsageError(`${stray} is of a LoRA, and --textual-inversion makes none`);
    return;
  }
  const word = firstOf({ vectors, init });
  if (word) throw new UsageError(`${word} needs --textual-inversion`);
  if (full) {
    const stray = firstOf(ofLora);
    if (stray) throw new UsageError(`${stray} is of a LoRA, and --full makes none`);
    if (format) throw new UsageError("--format is of a file beside a model, and --full writes the model itself");
  }
  if (
    prior === undefined &&
    config === undefined &&
    resume === undefined &&
    (priorPictures ?? priorWeight) !== undefined
  ) {
    throw new UsageError('what should be drawn as before is not said: add --prior "a cat"');
  }
}

/** The first of some options that was given, as it was written. */
function firstOf(options: Readonly<Record<string, unknown>>): string | undefined {
  const given = Object.entries(options).find(([, value]) => value !== undefined)?.[0];
  return given && `--${given.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

const lora: Subject<typeof loraRecipe, Example | Pair> = {
  kind: loraRecipe,
  things: "pictures",
  async prepare({ recipe }, cli, machine) {
    const { format, output, rank, alpha = rank, targets, trainTextEncoder, seed } = recipe;
    const file = format === "kohya" ? `${basename(resolve(output))}.safetensors` : "pytorch_lora_weights.safetensors";
    const size = { rank, alpha };
    return prepareTuning(recipe, cli, {
      prior: priorOf(recipe, machine),
      lesson: (runtime, { model, data, ...batches }) => {
        const metadata = format === "kohya" ? kohyaMetadata({ ...recipe, ...size }, model, data) : { format: "pt" };
        const options = { ...batches, ...size, targets, trainTextEncoder, seed, format, file, metadata };
        return loraLesson(model, runtime, options);
      },
      drawnWith: (folder) => ({ adapters: [{ file: join(folder, file) }] }),
    });
  },
};

const inversion: Subject<typeof inversionRecipe, Example | Pair> = {
  kind: inversionRecipe,
  things: "pictures",
  async prepare({ recipe }, cli) {
    const { format, name, vectors, init } = recipe;
    if (name === undefined) throw new UsageError('the new word is not said: add --name "<my-cat>"');
    if (format === "kohya" && /[/\\]/.test(name)) {
      throw new UsageError(`A1111 calls a word as its file is, so "${name}" cannot be one: leave out the slash`);
    }
    const file = format === "kohya" ? `${name}.safetensors` : "learned_embeds.safetensors";
    return prepareTuning(recipe, cli, {
      lesson: (runtime, { model, ...batches }) =>
        inversionLesson(model, runtime, { ...batches, name, vectors, init, format, file }),
      drawnWith: (folder) => ({ embeddings: [{ file: join(folder, file) }] }),
    });
  },
};

const whole: Subject<typeof fullRecipe, Example | Pair> = {
  kind: fullRecipe,
  things: "pictures",
  async prepare({ recipe }, cli, machine) {
    const { trainTextEncoder, seed } = recipe;
    return prepareTuning(recipe, cli, {
      prior: priorOf(recipe, machine),
      lesson: (runtime, { model, ...batches }) =>
        diffusionLesson(model, runtime, { ...batches, trainTextEncoder, seed }),
    });
  },
};

/** What a lesson is made of. */
interface Opened extends DiffusionBatchOptions {
  readonly model: DiffusionModel;
  readonly data: Dataset;
}

interface Tuned {
  /** What else is learnt along, and what it counts. */
  readonly prior?: Prior;
  lesson(runtime: Parameters<Prepared<Example>["lesson"]>[0], opened: Opened): Promise<Lesson>;
  /** What makes the model that was begun with draw what was learnt. Default: the folder is a model that draws it. */
  readonly drawnWith?: (folder: string) => Partial<GenerateSettings>;
}

type Prior = Pick<PriorWanted, "prompt" | "count" | "from" | "machine"> & { readonly weight: number };

function priorOf(recipe: LoraRecipe | FullRecipe, machine: PriorWanted["machine"]): Prior | undefined {
  const { prior: prompt, priorPictures: count, priorWeight: weight, from } = recipe;
  return prompt === undefined ? undefined : { prompt, count, weight, from: from!, machine };
}

async function prepareTuning(
  recipe: LoraRecipe | InversionRecipe | FullRecipe,
  cli: Cli,
  { lesson, drawnWith, prior }: Tuned,
): Promise<Prepared<Example | Pair>> {
  const { name, seed, samplesEvery: every, captionDropout, snrGamma } = recipe;
  const from = recipe.from!;
  const model = diffusionModel(await checkpointOf(from, cli.env));
  const size = pixelsOf(recipe, model);
  const caption = name === undefined ? undefined : recipe.template.replaceAll("{name}", name);
  const pictures = await openData({ ...recipe, caption }, size, cli.signal);
  const data = name === undefined ? pictures : named(pictures, name);
  const known = prior && (await priorPictures({ ...prior, model, ...size }, cli));
  return {
    data: known ? pairs(data, fitted(known, { ...size, flip: recipe.flip })) : data,
    async lesson(runtime, folder) {
      const cacheOf = await cachesOf(model, folder, (line) => remark(cli, line));
      const own = await lesson(runtime, { model, data, ...size, captionDropout, snrGamma, cacheOf });
      return prior ? withPrior(own, prior.weight) : own;
    },
    samples: {
      every,
      open: async ({ machine, log }) => {
        const { samples: prompts = caption === undefined ? await captionsOf(data, SAMPLES) : [caption] } = recipe;
        const drawnBy = drawnWith && ((folder: string) => ({ model: from, settings: drawnWith(folder) }));
        return sampler({ prompts, seed, ...size, machine, log, drawnBy }, cli);
      },
    },
  };
}

/** Prompts of the sample pictures where neither they nor a name are given. */
const SAMPLES = 4;

/** What kohya's scripts write into the header and tools show, as far as it is known here. */
function kohyaMetadata(
  recipe: LoraRecipe & { readonly alpha: number },
  { config, noise }: DiffusionModel,
  data: Dataset,
): Record<string, string> {
  const { rank, alpha, targets, from, output, steps, batch, learningRate, seed } = recipe;
  const version = { 768: "sd_v1", 1024: "sd_v2" }[config.text.hidden_size];
  return {
    ss_network_module: "networks.lora",
    ss_network_dim: String(rank),
    ss_network_alpha: String(alpha),
    ...(targets === "convolutions" && {
      ss_network_args: JSON.stringify({ conv_dim: String(rank), conv_alpha: String(alpha) }),
    }),
    ...(version && {
      ss_base_model_version: noise.prediction === "v_prediction" ? `${version}_v` : version,
      ss_v2: version === "sd_v2" ? "True" : "False",
    }),
    ss_sd_model_name: basename(resolve(from!)),
    ss_output_name: basename(resolve(output)),
    ss_num_train_images: String(data.length),
    ss_max_train_steps: String(steps),
    ss_total_batch_size: String(batch),
    ss_learning_rate: String(learningRate),
    ss_seed: String(seed),
  };
}
