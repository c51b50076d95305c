import { dirname, join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { SD_VAE } from "./configs.ts";
import { statFile, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { below, renamed } from "./keys/rename.ts";
import { vaeKeys } from "./keys/vae.ts";
import { vaeLayout } from "./layout.ts";
import { type ModelPart, openModelPart, type PartOptions, readConfig, withTodaysNames } from "./model-part.ts";
import { openWeightFile } from "./store.ts";

/** The classes that turn latents into pictures. */
export const VAE_CLASSES: readonly string[] = ["AutoencoderKL", "AutoencoderTiny"];

/**
 * A VAE that replaces a checkpoint's own: a folder with its config.json, a checkpoint folder (its `vae/` is taken), or a
 * .safetensors file in diffusers' or the original layout.
 *
 * @param own the replaced VAE's config, which a file without one may share
 * @throws InputError naming the file or folder
 */
export async function openVae(location: string, own: JsonObject, options: PartOptions = {}): Promise<ModelPart> {
  const status = await statOrUndefined(location);
  if (!status?.isDirectory()) return await openVaeFile(location, own);
  const folder = (await statOrUndefined(join(location, "model_index.json"))) ? join(location, "vae") : location;
  const part = await openModelPart(folder, options);
  if (!isVae(part.config)) {
    const type = JSON.stringify(part.config["_class_name"]) ?? "no class";
    throw new InputError(`${folder} holds ${type}, not a VAE. Supported: ${VAE_CLASSES.join(", ")}.`);
  }
  return part;
}

async function openVaeFile(path: string, own: JsonObject): Promise<ModelPart> {
  await statFile(path);
  const file = await openWeightFile(path);
  const inner = below(file, "first_stage_model.");
  const weights = isEmpty(inner.names()) ? file : inner;
  // The file of a VAE folder, named itself.
  const beside = dirname(path);
  if (await statOrUndefined(join(beside, "config.json"))) {
    const config = await readConfig(beside);
    if (isVae(config)) return { config, weights: withTodaysNames(weights, config, join(beside, "config.json")) };
  }
  const width = weights.get("encoder.conv_in.weight")?.shape[0];
  for (const config of [own, SD_VAE]) {
    if (config["_class_name"] !== "AutoencoderKL") continue;
    const layout = vaeLayout(config, path);
    if (layout.block_out_channels[0] === width) return { config, weights: renamed(weights, vaeKeys(layout)) };
  }
  throw new InputError(
    width === undefined
      ? `${path} holds no VAE: it has no tensor "encoder.conv_in.weight". Give a VAE's .safetensors file or folder.`
      : `${path} is a VAE of ${width} channels, whose configuration is not known. Give a folder with its config.json.`,
  );
}

function isVae(config: JsonObject): boolean {
  return VAE_CLASSES.includes(String(config["_class_name"]));
}

export function isEmpty(items: Iterable<unknown>): boolean {
  return Boolean(items[Symbol.iterator]().next().done);
}
