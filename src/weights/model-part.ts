import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../tensor/index.ts";
import { readJson, readSafetensors, statOrUndefined } from "./files.ts";
import type { JsonObject } from "./json.ts";
import { clipTextKeys } from "./keys/clip-text.ts";
import { renamed } from "./keys/rename.ts";
import { vaeKeys } from "./keys/vae.ts";
import { textLayout, vaeLayout } from "./layout.ts";
import { openShardedWeights, openWeightFile, type WeightStore } from "./store.ts";

/** One network of a checkpoint: what builds its graph, and what the graph is bound to. */
export interface ModelPart {
  /** config.json as it is. */
  readonly config: JsonObject;
  /** Under the names that diffusers and transformers use today. */
  readonly weights: WeightStore;
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
  const config = await readConfig(folder);
  const weights = await openWeights(folder, options);
  return { config, weights: withTodaysNames(weights, config, join(folder, "config.json")) };
}

/** config.json of a folder. Throws an InputError where there is none or it is damaged. */
export async function readConfig(folder: string): Promise<JsonObject> {
  const path = join(folder, "config.json");
  if (!(await statOrUndefined(path))) throw new InputError(`${path} does not exist, so ${folder} holds no model.`);
  return await readJson(path);
}

/** A network's weights under today's names, by the key table of the class that its config names. */
export function withTodaysNames(weights: WeightStore, config: JsonObject, path: string): WeightStore {
  if (config["_class_name"] === "AutoencoderKL") return renamed(weights, vaeKeys(vaeLayout(config, path)));
  if (config["model_type"] === "clip_text_model") {
    textLayout(config, path);
    return renamed(weights, clipTextKeys);
  }
  return weights;
}

/** `stem[.variant].safetensors` or `stem.safetensors.index[.variant].json`. */
const WEIGHTS = /^(?:diffusion_pytorch_model|model)(?:\.([\w-]+))?\.safetensors$/;
const INDEX = /^(?:diffusion_pytorch_model|model)\.safetensors\.index(?:\.([\w-]+))?\.json$/;
const PICKLE = /\.(?:bin|ckpt|pt|pth)$/;

/** The weights of a folder as they are named there. */
export async function openWeights(folder: string, { variant }: PartOptions): Promise<WeightStore> {
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
    return INDEX.test(chosen) ? await openShardedWeights(path) : await openWeightFile(path);
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
