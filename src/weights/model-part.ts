import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { vaeConfig } from "../configs/index.ts";
import { InputError } from "../tensor/index.ts";
import { readJson, readSafetensors, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { clipTextKeys } from "./keys/clip-text.ts";
import { gpt2Keys } from "./keys/gpt2.ts";
import { renamed } from "./keys/rename.ts";
import { vaeKeys } from "./keys/vae.ts";
import { openShardedWeights, openWeightFile, type WeightStore } from "./store.ts";

/** What builds a network's graph. */
export interface NetworkConfig {
  /** config.json as it is. */
  readonly config: JsonObject;
  /** Its path, or that of the single file whose configuration was guessed: what messages name. */
  readonly configFile: string;
}

/** One network of a checkpoint: what builds its graph, and what the graph is bound to. */
export interface ModelPart extends NetworkConfig {
  /** Under the names that diffusers and transformers use today. */
  readonly weights: WeightStore;
  /** For people: what was chosen among several files. */
  readonly note?: string;
}

export interface PartOptions {
  /** Which files to take where there are several, e.g. "fp16" for `model.fp16.safetensors`. Default: the plain ones. */
  readonly variant?: string;
}

/**
 * A folder with one network: config.json and weights (`diffusion_pytorch_model.…` or `model.…`; plain, of a variant, or
 * in shards with an index). The class named in config.json decides on the key table.
 *
 * @throws InputError naming the folder or file at fault
 */
export async function openModelPart(folder: string, options: PartOptions = {}): Promise<ModelPart> {
  return await openPart(folder, await readConfig(folder), options);
}

/** The weights of a folder, for a network that is built as `network` says: its own config.json, or another folder's. */
export async function openPart(folder: string, network: NetworkConfig, options: PartOptions): Promise<ModelPart> {
  const { weights, note } = await openWeights(folder, options);
  return { ...network, weights: withTodaysNames(weights, network), note };
}

/** config.json of a folder. Throws an InputError where there is none or it is damaged. */
export async function readConfig(folder: string): Promise<NetworkConfig> {
  const configFile = join(folder, "config.json");
  if (!(await statOrUndefined(configFile)))
    throw new InputError(`${configFile} does not exist, so ${folder} holds no model.`);
  return { config: await readJson(configFile), configFile };
}

/** A network's weights under today's names, by the key table of the class that its config names. */
export function withTodaysNames(weights: WeightStore, { config, configFile }: NetworkConfig): WeightStore {
  if (config["_class_name"] === "AutoencoderKL") return renamed(weights, vaeKeys(vaeConfig(config, configFile)));
  if (config["model_type"] === "clip_text_model") return renamed(weights, clipTextKeys);
  if (config["model_type"] === "gpt2") return renamed(weights, gpt2Keys);
  return weights;
}

/** `stem[.variant].safetensors` or `stem.safetensors.index[.variant].json`. */
const WEIGHTS = /^(?:diffusion_pytorch_model|model)(?:\.([\w-]+))?\.safetensors$/;
const INDEX = /^(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.([\w-]+))?\.json$/;
const PICKLE = /\.(?:bin|ckpt|pt|pth)$/;

/** The weights of a folder as they are named there, and a note where nobody said which of several to take. */
async function openWeights(
  folder: string,
  { variant }: PartOptions,
): Promise<{ readonly weights: WeightStore; readonly note?: string }> {
  const status = await statOrUndefined(folder);
  if (!status?.isDirectory())
    throw new InputError(`${folder} is not there: the checkpoint is incomplete. Get it again.`);
  const names = (await readdir(folder)).sort();
  const variants = new Map<string, string>();
  for (const pattern of [INDEX, WEIGHTS]) {
    for (const name of names) {
      const match = pattern.exec(name);
      // A shard without its index looks like a variant of its own.
      if (match && !/-of-\d+$/.test(match[1] ?? "")) variants.set(match[1] ?? "", name);
    }
  }
  const chosen =
    variants.get(variant ?? "") ?? (variant ? undefined : (variants.get("fp16") ?? [...variants.values()][0]));
  if (chosen) {
    const path = join(folder, chosen);
    const guessed = variant === undefined && !variants.has("") && variants.size > 1;
    return {
      weights: INDEX.test(chosen) ? await openShardedWeights(path) : await openWeightFile(path),
      note: guessed ? `${path} taken of the variants ${[...variants.keys()].join(", ")}` : undefined,
    };
  }
  if (variant && variants.size > 0) {
    const there = [...variants.keys()].map((name) => name || "the plain one").join(", ");
    throw new InputError(`${folder} has no weights of the variant "${variant}". What is there: ${there}.`);
  }
  const pickle = names.find((name) => PICKLE.test(name));
  // Reading its first bytes gives the message that fits what it really is.
  if (pickle) await readSafetensors(join(folder, pickle));
  throw new InputError(
    `${folder} has no weights: no diffusion_pytorch_model.safetensors or model.safetensors, nor an index of shards.`,
  );
}
