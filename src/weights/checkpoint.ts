import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, resolve } from "node:path";
import { InputError } from "../tensor/index.ts";
import { statOrUndefined } from "./files.ts";
import { describeFolder, openNetworks } from "./folder.ts";
import type { JsonObject } from "./json.ts";
import type { ModelPart } from "./model-part.ts";
import { type PredictionType, withPrediction } from "./prediction.ts";
import { openSingleFile } from "./single-file.ts";
import type { TokenizerFiles } from "./tokenizer.ts";

export interface CheckpointOptions {
  /** Overrides what the checkpoint says, or what is guessed for a single file. */
  readonly prediction?: PredictionType;
  /** A folder or .safetensors file whose VAE replaces the checkpoint's. */
  readonly vae?: string;
  /** A checkpoint folder whose configs, tokenizer and scheduler replace the checkpoint's. */
  readonly config?: string;
  /** Which files of a folder to take, e.g. "fp16". Default: the plain ones, else what is there. */
  readonly variant?: string;
}

/** Published weights, opened: every header and configuration checked, no weight read. */
export interface Checkpoint {
  /** For people: the folder's or the file's name, without ".safetensors". */
  readonly name: string;
  readonly path: string;
  readonly layout: "folder" | "single-file";
  readonly unet: ModelPart;
  readonly textEncoder: ModelPart;
  readonly vae: ModelPart;
  readonly tokenizer: TokenizerFiles;
  /** scheduler_config.json with the class that model_index.json names, and `prediction_type` settled. */
  readonly scheduler: JsonObject;
  /** What was guessed or chosen, for people. */
  readonly notes: readonly string[];
  /** SHA-256 of the U-Net's file (or the single file) in 64 hexadecimal digits; A1111's "Model hash" is the first 10. */
  hash(): Promise<string>;
}

/**
 * Opens a checkpoint folder in diffusers' layout or a single .safetensors file in the original one.
 *
 * @param location path of the folder or file
 * @throws InputError naming the file or folder at fault and what to do
 */
export async function openCheckpoint(location: string, options: CheckpointOptions = {}): Promise<Checkpoint> {
  const path = resolve(location);
  const status = await statOrUndefined(path);
  if (!status) throw new InputError(`${path} does not exist. Give a checkpoint folder or a .safetensors file.`);
  const opened = status.isDirectory() ? await openFolder(path, options) : await openFile(path, options);
  const { layout, networks, description, notes } = opened;
  return {
    name: nameOf(path),
    path,
    layout,
    ...networks,
    tokenizer: description.tokenizer,
    scheduler: withPrediction(description.scheduler, options.prediction, path),
    notes: [...notes, ...Object.values(networks).flatMap(({ note }: ModelPart) => note ?? [])],
    hash: () => hashFiles(networks.unet.weights.files()),
  };
}

async function openFolder(path: string, options: CheckpointOptions) {
  const description = await describeFolder(options.config ?? path);
  return {
    layout: "folder",
    description,
    networks: await openNetworks(path, description, options),
    notes: [],
  } as const;
}

async function openFile(path: string, options: CheckpointOptions) {
  const described = options.config ? await describeFolder(options.config) : undefined;
  return { layout: "single-file", ...(await openSingleFile(path, { ...options, described })) } as const;
}

/** The folder's or file's name; in the Hugging Face cache, whose folders are named by commits, the repository's. */
function nameOf(path: string): string {
  const cached = /models--([^/\\]+?)--([^/\\]+)[/\\]snapshots[/\\][^/\\]+$/.exec(path);
  return cached ? `${cached[1]}/${cached[2]}` : basename(path, ".safetensors");
}

/** SHA-256 over the files one after another, read as streams; a megabyte is hashed in a millisecond or two. */
export async function hashFiles(files: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  }
  return hash.digest("hex");
}
