import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../pipelines/config.ts";
import { goalOf } from "../../pipelines/goal.ts";
import { NO_GOAL } from "../../pipelines/goals.ts";
import type { GenerateSettings } from "../../pipelines/settings.ts";
import { InputError } from "../../tensor/index.ts";
import { loraTags } from "../../text/index.ts";
import { ApiError } from "../error.ts";
import type { DrawRequest, PictureSource } from "../schema/draw.ts";
import { type FileStore, sha256 } from "../store/files.ts";
import type { Decode } from "./decoder.ts";

/** What requests are read with. */
export interface RequestTools {
  readonly pictures: Pick<FileStore, "read">;
  readonly uploads: Pick<FileStore, "read" | "write">;
  /** Where adapters are. */
  readonly adapterFolder: string;
  /** Words that were learnt, and may stand in any prompt. */
  readonly embeddings?: GenerateSettings["embeddings"];
  /** Goals of a config file. */
  readonly config?: Pick<Config, "goals">;
  readonly decode: Decode;
}

/** The files that a request starts from, as bytes. */
export interface RequestFiles {
  readonly image?: Uint8Array;
  readonly mask?: Uint8Array;
}

/** @throws ApiError for what is not there */
export async function filesOf(request: DrawRequest, tools: RequestTools): Promise<RequestFiles> {
  const { image, mask } = request;
  return {
    ...(image && { image: await bytesOf(image, "image", tools) }),
    ...(mask && { mask: await bytesOf(mask, "mask", tools) }),
  };
}

/** The bytes of one picture. */
export async function bytesOf(
  source: PictureSource,
  at: string,
  { pictures, uploads }: Pick<RequestTools, "pictures" | "uploads">,
): Promise<Uint8Array> {
  if ("base64" in source) return Buffer.from(source.base64, "base64");
  const missing = (what: string) => new ApiError("invalid", `${at}: there is no ${what} of that name here.`, { at });
  if ("upload" in source) {
    const bytes = await uploads.read(`${source.upload}.bin`);
    if (bytes) return bytes;
    throw missing("upload");
  }
  const bytes = /^[\w-]+$/.test(source.picture) ? await pictures.read(`${source.picture}.png`) : undefined;
  if (bytes) return bytes;
  throw missing("picture");
}

/** The request as it is kept: bytes are put into a file, and named by it. The file is there when this resolves. */
export async function keepable(
  request: DrawRequest,
  files: RequestFiles,
  uploads: RequestTools["uploads"],
): Promise<DrawRequest> {
  const keep = async (source: PictureSource | undefined, bytes: Uint8Array | undefined) => {
    if (!source || !("base64" in source)) return source;
    const upload = sha256(bytes!);
    await uploads.write(`${upload}.bin`, bytes!);
    return { upload };
  };
  const [image, mask] = [await keep(request.image, files.image), await keep(request.mask, files.mask)];
  return { ...request, ...(image && { image }), ...(mask && { mask }) };
}

/**
 * The request as the library takes it.
 *
 * @throws ApiError or InputError naming what cannot be
 */
export async function settingsOf(
  request: DrawRequest,
  { image, mask }: RequestFiles,
  tools: Omit<RequestTools, "pictures" | "uploads">,
): Promise<GenerateSettings> {
  const { model: _, goal, adapters, image: __, mask: ___, ...plain } = request;
  const { adapterFolder, embeddings, decode, config } = tools;
  await checkTags(request, adapterFolder);
  return {
    ...plain,
    ...(goal !== undefined && goal !== NO_GOAL && { goal: goalOf(goal, { config }) }),
    ...(adapters && { adapters: await adaptersOf(adapters, adapterFolder) }),
    adapterFolder,
    ...(embeddings?.length && { embeddings }),
    ...(image && { image: await decode(image, "image", "white") }),
    ...(mask && { mask: await decode(mask, "mask", "black") }),
  };
}

/**
 * Adapters that the prompt names are looked for when it is drawn; whoever asks should know before.
 *
 * @throws InputError for one that is not there
 */
async function checkTags({ prompt, promptSyntax, adapters = [] }: DrawRequest, folder: string): Promise<void> {
  const tags = promptSyntax === "plain" ? [] : loraTags(prompt);
  if (tags.length === 0) return;
  const known = new Set([...adapters.map(({ name }) => name), ...(await adapterNames(folder))]);
  for (const { name } of tags) if (!known.has(name)) throw missingAdapter(name, [...known]);
}

function missingAdapter(name: string, known: readonly string[]): InputError {
  const names = known.join(", ") || "the server's folder holds none";
  return new InputError(`There is no adapter "${name}" here: ${names}.`);
}

/** The names that requests may give, in their order. */
export async function adapterNames(folder: string): Promise<string[]> {
  const files = await readdir(folder).catch(() => []);
  return files.flatMap((file) => /^([^/\\]+)\.safetensors$/.exec(file)?.[1] ?? []).sort();
}

/** By names that the folder holds, and nothing beyond it. */
async function adaptersOf(asked: NonNullable<DrawRequest["adapters"]>, folder: string) {
  const names = await adapterNames(folder);
  return asked.map(({ name, scale }) => {
    if (names.includes(name)) return { file: join(folder, `${name}.safetensors`), scale };
    throw missingAdapter(name, names);
  });
}
