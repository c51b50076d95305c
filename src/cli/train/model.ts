import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type ModelKind, resolveModel } from "../../hub/index.ts";
import { clipTextConfig } from "../../models/index.ts";
import {
  type DiffusionModel,
  type DiffusionParts,
  type diffusionRecipe,
  openCache,
  type RecipeOf,
} from "../../training/index.ts";
import {
  hashFiles,
  type ModelPart,
  openCheckpoint,
  openModelPart,
  readJson,
  readTokenizer,
  type TokenizerFiles,
} from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
import { sidesOf } from "./data.ts";
import type { Wanted } from "./recipe.ts";

/**
 * What a recipe's model is made of: a model that is there, or a described one without weights.
 *
 * @throws InputError where something cannot be found, or is damaged
 */
export async function partsOf(
  { recipe, file }: Wanted<typeof diffusionRecipe>,
  env: Cli["env"],
): Promise<DiffusionParts> {
  if (!recipe.model) return checkpointOf(recipe.from, env);
  const { unet, textEncoder, tokenizer, tokens, vae, scheduler, defaults } = recipe.model;
  const { vocab_size: vocabSize } = clipTextConfig(textEncoder, file);
  return {
    unet: { config: unet, configFile: file },
    textEncoder: { config: textEncoder, configFile: file },
    tokenizer: inRowsOf(tokens, await readTokenizer(await tokenizerFolder(tokenizer, env), { vocabSize })),
    scheduler,
    ...(vae !== undefined && { vae: await vaeOf(vae, env) }),
    ...(defaults && { defaults }),
  };
}

/** What a model that is there is made of: a name, a checkpoint folder or file. */
export async function checkpointOf(name: string | undefined, env: Cli["env"]): Promise<DiffusionParts> {
  return checkpointParts((await resolveModel(name, env)).path);
}

/** What a checkpoint folder or file is made of. */
export async function checkpointParts(path: string): Promise<DiffusionParts> {
  const { unet, textEncoder, vae, tokenizer, scheduler, layout } = await openCheckpoint(path);
  const own = join(path, "inkling.json");
  const defaults = layout === "folder" && (await isThere(own)) ? await readJson(own) : undefined;
  return { unet, textEncoder, vae, tokenizer, scheduler, ...(defaults && { defaults }) };
}

function inRowsOf(tokens: number | undefined, files: TokenizerFiles): TokenizerFiles {
  return tokens ? { ...files, tokenizerConfig: { ...files.tokenizerConfig, model_max_length: tokens } } : files;
}

/** A folder of a tokenizer, or that of a model, which a checkpoint has in a folder of its own. */
export async function tokenizerFolder(name: string, env: Cli["env"], kind: ModelKind = "checkpoint"): Promise<string> {
  if (await isThere(join(name, "merges.txt"))) return name;
  const { path } = await resolveModel(name, env, kind);
  return kind === "checkpoint" ? join(path, "tokenizer") : path;
}

async function vaeOf(name: string, env: Cli["env"]): Promise<ModelPart> {
  const { path } = await resolveModel(name, env);
  if (await isThere(join(path, "model_index.json"))) return openModelPart(join(path, "vae"));
  return openModelPart(path);
}

export async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

/** What frozen networks give is kept beside the model, so that a run that goes on does not make it again. */
export async function cachesOf(
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

/** The size to learn at: what was asked for, else what the U-Net was made for. */
export function pixelsOf({ size }: Pick<RecipeOf<typeof diffusionRecipe>, "size">, { config, scale }: DiffusionModel) {
  if (size !== undefined) return sidesOf(size);
  const { sample_size: own } = config.unet;
  const [rows, columns] = typeof own === "number" ? [own, own] : own;
  return { width: columns * scale, height: rows * scale };
}
