import { join } from "node:path";
import { clipTextConfig } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { readJson, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { type ModelPart, type NetworkConfig, openPart, type PartOptions, readConfig } from "./model-part.ts";
import { readTokenizer, type TokenizerFiles } from "./tokenizer.ts";
import { openVae, VAE_CLASSES } from "./vae.ts";

/** What a checkpoint says about itself, without its weights. */
export interface Description {
  readonly unet: NetworkConfig;
  readonly textEncoder: NetworkConfig;
  readonly vae: NetworkConfig;
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
  text_encoder: ["CLIPTextModel", "CLIPTextModelWithProjection"],
  tokenizer: ["CLIPTokenizer", "CLIPTokenizerFast"],
};

/**
 * The configs, tokenizer and scheduler of a checkpoint folder in diffusers' layout: `model_index.json` and one folder
 * per component. Other components (safety checker, feature extractor) are not needed and not read.
 *
 * @throws InputError naming the file: not a checkpoint, of another family, damaged, or one that wants its own code run
 */
export async function describeFolder(folder: string): Promise<Description> {
  const classes = await readIndex(folder);
  const [textEncoder, unet, vae] = await Promise.all([
    readConfig(join(folder, "text_encoder")),
    ...["unet", "vae"].map(async (name) => {
      const { config, configFile } = await readConfig(join(folder, name));
      const type = config["_class_name"] ?? classes.get(name);
      checkClassName(configFile, "_class_name", type, CLASSES[name]!);
      return { config: { ...config, _class_name: type }, configFile };
    }),
  ]);
  const { vocab_size: vocabSize } = clipTextConfig(textEncoder.config, textEncoder.configFile);
  const tokenizer = await readTokenizer(join(folder, "tokenizer"), { vocabSize });
  const scheduler = await readJson(join(folder, "scheduler", "scheduler_config.json"));
  // Diffusers makes the class that the index names, whichever one the options were saved by.
  const sampler = classes.get("scheduler");
  return {
    unet: unet!,
    textEncoder,
    vae: vae!,
    tokenizer,
    scheduler: { ...scheduler, ...(sampler && { _class_name: sampler }) },
  };
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
  const [unet, textEncoder, vae] = await Promise.all([
    openPart(join(folder, "unet"), description.unet, options),
    openPart(join(folder, "text_encoder"), description.textEncoder, options),
    options.vae
      ? openVae(options.vae, description.vae, options)
      : openPart(join(folder, "vae"), description.vae, options),
  ]);
  return { unet, textEncoder, vae };
}

/** Judges model_index.json before anything that it names is opened: the class of every component that it gives one. */
async function readIndex(folder: string): Promise<ReadonlyMap<string, string>> {
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
  return new Map(components.flatMap(([name, [, type]]) => (typeof type === "string" ? [[name, type]] : [])));
}

function isForeign(name: string, library: unknown): boolean {
  return Object.hasOwn(CLASSES, name) && ![null, "diffusers", "transformers"].includes(library as string | null);
}

function checkClassName(path: string, key: string, value: unknown, known: readonly string[]): void {
  if (known.includes(String(value))) return;
  const what = value === undefined ? "is missing" : `is ${JSON.stringify(value)}, which is not supported`;
  throw new InputError(`${path}: "${key}" ${what}. Supported: ${known.join(", ")}.`);
}
