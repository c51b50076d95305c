import { clipTextConfig, unetConfig } from "../configs/index.ts";
import { resolveModel } from "../hub/index.ts";
import { unetBranches } from "../models/index.ts";
import { type CheckpointOptions, openCheckpoint } from "../weights/index.ts";
import { modelDefaults } from "./defaults.ts";
import { autoencoderOf } from "./networks.ts";
import type { OpeningOptions } from "./opening.ts";
import type { ModelFacts } from "./resolve.ts";

export interface FactsOptions extends CheckpointOptions, OpeningOptions {}

/**
 * What a model's files say, without their weights.
 *
 * @throws InputError when the model cannot be found or its files are damaged
 */
export async function modelFacts(
  model: string | undefined,
  { onNote = () => {}, env = process.env, vae: named, ...opening }: FactsOptions,
): Promise<ModelFacts> {
  const { name, path, source } = await resolveModel(model, env);
  const vae = named === undefined ? undefined : (await resolveModel(named, env, "vae")).path;
  const checkpoint = await openCheckpoint(path, { ...opening, vae });
  checkpoint.notes.forEach(onNote);
  const unet = unetConfig(checkpoint.unet.config, checkpoint.unet.configFile);
  return {
    // Pictures tell it to others: the folders of this machine are nobody's business.
    name: source === "path" ? checkpoint.name : name,
    unetBranches: unetBranches(unet),
    inputChannels: unet.in_channels,
    latentChannels: unet.out_channels,
    checkpoint,
    defaults: await modelDefaults(checkpoint),
    scale: autoencoderOf(checkpoint.vae).scale,
    textLayers: clipTextConfig(checkpoint.textEncoder.config, checkpoint.textEncoder.configFile).num_hidden_layers,
  };
}
