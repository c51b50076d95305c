import { stat } from "node:fs/promises";
import { join } from "node:path";
import { type ModelKind, resolveModel } from "../../hub/index.ts";
import { clipTextConfig } from "../../models/index.ts";
import type { DiffusionParts, diffusionRecipe } from "../../training/index.ts";
import {
  type ModelPart,
  openCheckpoint,
  openModelPart,
  readJson,
  readTokenizer,
  type TokenizerFiles,
} from "../../weights/index.ts";
import type { Cli } from "../cli.ts";
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
  if (!recipe.model) return checkpointParts((await resolveModel(recipe.from, env)).path);
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
