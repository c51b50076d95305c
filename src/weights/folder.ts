import { join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { readJson, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { textLayout } from "./layout.ts";
import { type ModelPart, openWeights, type PartOptions, readConfig, withTodaysNames } from "./model-part.ts";
import { readTokenizer, type TokenizerFiles } from "./tokenizer.ts";
import { openVae, VAE_CLASSES } from "./vae.ts";

/** What a checkpoint says about itself, without its weights. */
export interface Description {
  readonly unet: JsonObject;
  readonly textEncoder: JsonObject;
  readonly vae: JsonObject;
  readonly tokenizer: TokenizerFiles;
  readonly scheduler: JsonObject;
}

/** The networks themselves. */
export interface Networks {
  readonly unet: ModelPart;
  readonly textEncoder: ModelPart;
  readonly vae: ModelPart;
}

/** Pipelines whose checkpoints hold the parts that we run. */
const PIPELINES = [
  "StableDiffusionPipeline",
  "StableDiffusionImg2ImgPipeline",
  "StableDiffusionInpaintPipeline",
  "LatentConsistencyModelPipeline",
];

/** Component → the classes that we run. Any scheduler may be named: the sampler is chosen when drawing. */
const CLASSES: Readonly<Record<string, readonly string[]>> = {
  unet: ["UNet2DConditionModel"],
  vae: VAE_CLASSES,
  text_encoder: ["CLIPTextModel"],
  tokenizer: ["CLIPTokenizer", "CLIPTokenizerFast"],
};

/**
 * The configs, tokenizer and scheduler of a checkpoint folder in diffusers' layout: `model_index.json` and one folder
 * per component. Other components (safety checker, feature extractor) are not needed and not read.
 *
 * @throws InputError naming the file: not a checkpoint, of another family, damaged, or one that wants its own code run
 */
export async function describeFolder(folder: string): Promise<Description> {
  await checkIndex(folder);
  const [unet, textEncoder, vae] = await Promise.all(
    ["unet", "text_encoder", "vae"].map((name) => readConfig(join(folder, name))),
  );
  for (const [name, config] of Object.entries({ unet: unet!, vae: vae! })) {
    checkClassName(join(folder, name, "config.json"), "_class_name", config["_class_name"], CLASSES[name]!);
  }
  const { vocab_size: vocabSize } = textLayout(textEncoder!, join(folder, "text_encoder", "config.json"));
  const tokenizer = await readTokenizer(join(folder, "tokenizer"), { vocabSize });
  const scheduler = await readJson(join(folder, "scheduler", "scheduler_config.json"));
  return { unet: unet!, textEncoder: textEncoder!, vae: vae!, tokenizer, scheduler };
}

export interface NetworkOptions extends PartOptions {
  /** A folder or file whose VAE is taken instead of the checkpoint's own. */
  readonly vae?: string;
}

/**
 * The networks of a checkpoint folder, to be built as `description` says (its own, or that of another folder).
 *
 * @throws InputError naming the folder or file at fault
 */
export async function openNetworks(
  folder: string,
  description: Description,
  options: NetworkOptions = {},
): Promise<Networks> {
  const part = async (name: string, config: JsonObject): Promise<ModelPart> => {
    const path = join(folder, name);
    return { config, weights: withTodaysNames(await openWeights(path, options), config, join(path, "config.json")) };
  };
  const [unet, textEncoder, vae] = await Promise.all([
    part("unet", description.unet),
    part("text_encoder", description.textEncoder),
    options.vae ? openVae(options.vae, description.vae, options) : part("vae", description.vae),
  ]);
  return { unet, textEncoder, vae };
}

/** Judges model_index.json before anything that it names is opened. */
async function checkIndex(folder: string): Promise<void> {
  const path = join(folder, "model_index.json");
  if (!(await statOrUndefined(path))) {
    throw new InputError(
      `${folder} has no model_index.json, so it is no checkpoint in diffusers' layout. ` +
        "Give the folder that holds unet/, vae/ and text_encoder/, or a single .safetensors file.",
    );
  }
  const { _class_name: pipeline, ...entries } = await readJson(path);
  const components = Object.entries(entries).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  for (const [name] of components) {
    if (/^\w+$/.test(name)) continue;
    throw new InputError(`${path} names the component ${JSON.stringify(name)}, which cannot be a folder inside it.`);
  }
  const own = Array.isArray(pipeline) ? "_class_name" : components.find(([name, [from]]) => isForeign(name, from))?.[0];
  if (own) {
    throw new InputError(
      `${path}: "${own}" asks for code that comes with the checkpoint. Code of a checkpoint is never run; ` +
        "only the classes of diffusers and transformers that are built in here are.",
    );
  }
  checkClassName(path, "_class_name", pipeline, PIPELINES);
  for (const [name, [, type]] of components) {
    if (Object.hasOwn(CLASSES, name)) checkClassName(path, name, type, CLASSES[name]!);
  }
}

function isForeign(name: string, library: unknown): boolean {
  return Object.hasOwn(CLASSES, name) && ![null, "diffusers", "transformers"].includes(library as string | null);
}

function checkClassName(path: string, key: string, value: unknown, known: readonly string[]): void {
  if (known.includes(String(value))) return;
  const what = value === undefined ? "is missing" : `is ${JSON.stringify(value)}, which is not supported`;
  throw new InputError(`${path}: "${key}" ${what}. Supported: ${known.join(", ")}.`);
}
