import { clipTextConfig, unetConfig } from "../configs/index.ts";
import { resolveModel } from "../hub/index.ts";
import { unetBranches } from "../models/index.ts";
import { InputError } from "../tensor/index.ts";
import { type CheckpointOptions, openCheckpoint } from "../weights/index.ts";
import { modelDefaults } from "./defaults.ts";
import { type WeightForm, weightForms } from "./limits.ts";
import { autoencoderOf } from "./networks.ts";
import type { OpeningOptions } from "./opening.ts";
import type { ModelFacts } from "./resolve.ts";

export interface FactsOptions extends CheckpointOptions, OpeningOptions {
  /**
   * What products with the weights of U-Net and text encoder are computed in. "8bit" and "4bit" take less memory and draw
   * another picture; see `inFewerBits`. Default "float32", exact.
   */
  readonly weights?: WeightForm;
}

/**
 * What a model's files say, without their weights.
 *
 * @throws InputError when the model cannot be found or its files are damaged
 */
export async function modelFacts(
  model: string | undefined,
  { onNote = () => {}, env = process.env, vae: named, weights = "float32", ...opening }: FactsOptions,
): Promise<ModelFacts> {
  if (!weightForms.includes(weights)) {
    throw new InputError(`Weights are computed with in ${weightForms.join(", ")}, not in "${String(weights)}".`);
  }
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
    weights,
    defaults: await modelDefaults(checkpoint),
    scale: autoencoderOf(checkpoint.vae).scale,
    textLayers: clipTextConfig(checkpoint.textEncoder.config, checkpoint.textEncoder.configFile).num_hidden_layers,
  };
}
