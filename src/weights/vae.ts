import { dirname, join } from "node:path";
import { vaeConfig } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { SD_VAE } from "./configs.ts";
import { statFile, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { below, renamed } from "./keys/rename.ts";
import { vaeKeys } from "./keys/vae.ts";
import {
  type ModelPart,
  type NetworkConfig,
  openModelPart,
  type PartOptions,
  readConfig,
  withTodaysNames,
} from "./model-part.ts";
import { openWeightFile } from "./store.ts";

/** The classes that turn latents into pictures. */
export const VAE_CLASSES: readonly string[] = ["AutoencoderKL", "AutoencoderTiny"];

/**
 * A VAE that replaces a checkpoint's own: a folder with its config.json, a checkpoint folder (its `vae/` is taken), or a
 * .safetensors file in diffusers' or the original layout.
 *
 * @param own what builds the replaced VAE, which a file without a config.json may share
 * @throws InputError naming the file or folder
 */
export async function openVae(location: string, own: NetworkConfig, options: PartOptions = {}): Promise<ModelPart> {
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

async function openVaeFile(path: string, own: NetworkConfig): Promise<ModelPart> {
  await statFile(path);
  const file = await openWeightFile(path);
  const inner = below(file, "first_stage_model.");
  const weights = isEmpty(inner.names()) ? file : inner;
  // The file of a VAE folder, named itself.
  const beside = dirname(path);
  if (await statOrUndefined(join(beside, "config.json"))) {
    const network = await readConfig(beside);
    if (isVae(network.config)) return { ...network, weights: withTodaysNames(weights, network) };
  }
  const width = weights.get("encoder.conv_in.weight")?.shape[0];
  for (const network of [own, { config: SD_VAE, configFile: path }]) {
    if (network.config["_class_name"] !== "AutoencoderKL") continue;
    const layout = vaeConfig(network.config, network.configFile);
    if (layout.block_out_channels[0] === width) return { ...network, weights: renamed(weights, vaeKeys(layout)) };
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
