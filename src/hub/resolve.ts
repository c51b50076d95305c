import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../tensor/index.ts";
import { cacheFolder, type Environment, findSnapshot } from "./cache.ts";
import { embeddedModel, type KnownModel, knownModel, MODELS, type ModelKind } from "./models.ts";
import { nearest } from "./nearest.ts";

/** Where a model lies on this machine. */
export interface ResolvedModel {
  /** For people and for picture metadata: the short name, the repository, or the path as it was given. */
  readonly name: string;
  /** Absolute path of a folder or a .safetensors file. */
  readonly path: string;
  readonly source: "embedded" | "path" | "cache";
  /** "organisation/name" where it comes from the cache. */
  readonly repository?: string;
}

/**
 * Finds a model on this machine; nothing is downloaded.
 *
 * @param name a short name (see MODELS), a path, or a repository "organisation/name" that the Hugging Face cache holds;
 *   the embedded model of the kind where it is left out. A folder that bears a short name is reached as "./name".
 * @param env the environment's variables: HF_HOME, HF_HUB_CACHE, HOME
 * @param kind what it has to be able to do
 * @throws InputError saying where it can be had, or what was probably meant
 */
export async function resolveModel(
  name: string | undefined,
  env: Environment,
  kind: ModelKind = "checkpoint",
): Promise<ResolvedModel> {
  const known = name === undefined ? embeddedModel(kind) : knownModel(name);
  if (known) {
    if (known.kind !== kind) throw otherKind(known, kind);
    const found = await find(known, env);
    if (found) return found;
    throw known.embedded ? embeddedMissing(known.embedded) : notHere(known.name, known.repositories, env);
  }
  const given = name!;
  const path = resolve(given.replace(/^~(?=$|[/\\])/, env["HOME"] ?? "~"));
  if (given !== "" && (await exists(path))) return { name: given, path, source: "path" };
  if (!isRepository(given)) throw unknown(given, path, kind);
  const snapshot = await findSnapshot(given, cacheFolder(env));
  const inside = snapshot && (await modelIn(snapshot));
  if (inside) return { name: given, path: inside, source: "cache", repository: given };
  throw notHere(given, [given], env);
}

/** A known model and where it would be taken from. */
export interface ListedModel extends KnownModel {
  /** Undefined where it is not on this machine. */
  readonly found: ResolvedModel | undefined;
}

/** Every model that has a short name, with its place on this machine. */
export function listModels(env: Environment): Promise<readonly ListedModel[]> {
  return Promise.all(MODELS.map(async (model) => ({ ...model, found: await find(model, env) })));
}

async function find(
  { name, repositories, embedded }: KnownModel,
  env: Environment,
): Promise<ResolvedModel | undefined> {
  if (embedded) {
    const path = embeddedFolder(embedded);
    return (await isModelFolder(path)) ? { name, path, source: "embedded" } : undefined;
  }
  for (const repository of repositories) {
    const snapshot = await findSnapshot(repository, cacheFolder(env));
    const path = snapshot && (await modelIn(snapshot));
    if (path) return { name, path, source: "cache", repository };
  }
  return undefined;
}

/** Two levels above this file, both in src/ and in dist/. */
function embeddedFolder(folder: string): string {
  return fileURLToPath(new URL(`../../models/${folder}`, import.meta.url));
}

/** What a snapshot holds: itself where it is a model's folder, or the one file in it. */
async function modelIn(snapshot: string): Promise<string | undefined> {
  return (await isModelFolder(snapshot)) ? snapshot : await onlyFile(snapshot);
}

/** A checkpoint folder with a U-Net, or the folder of one network. An interrupted download has neither. */
async function isModelFolder(path: string): Promise<boolean> {
  const [checkpoint, unet, config] = await Promise.all(
    ["model_index.json", "unet", "config.json"].map((name) => exists(join(path, name))),
  );
  return Boolean(checkpoint ? unet : config);
}

/** Some repositories hold a single file and nothing else that could be meant. */
async function onlyFile(folder: string): Promise<string | undefined> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".safetensors"));
  return files.length === 1 ? join(folder, files[0]!) : undefined;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}

function isRepository(name: string): boolean {
  return /^[\w-][\w.-]*\/[\w-][\w.-]*$/.test(name) && !/\.(safetensors|ckpt|bin|pt)$/.test(name);
}

function notHere(name: string, repositories: readonly string[], env: Environment): InputError {
  return new InputError(
    `The model "${name}" is not on this machine, and nothing is downloaded here. Repositories that hold it: ` +
      `${repositories.join(", ")}. Get one into the Hugging Face cache (${cacheFolder(env)}; HF_HOME moves it), for ` +
      `example with "hf download ${repositories[0]}", or give the path of a checkpoint folder or .safetensors file.`,
  );
}

function embeddedMissing(folder: string): InputError {
  return new InputError(`The embedded model is missing from ${embeddedFolder(folder)}. Install the package again.`);
}

/** What is said of a model that another command takes. */
const USES: Readonly<Record<ModelKind, string>> = {
  checkpoint: "draws pictures",
  vae: "decodes latents",
  gpt2: "writes prompts",
  clip: "compares pictures with words",
  captioner: "describes pictures",
};

function otherKind({ name, kind }: KnownModel, wanted: ModelKind): InputError {
  return new InputError(
    `"${name}" ${USES[kind]}; wanted is a model that ${USES[wanted]}: ${namesOf(wanted).join(", ")}.`,
  );
}

function namesOf(kind: ModelKind): string[] {
  return MODELS.filter((model) => model.kind === kind).map(({ name }) => name);
}

function unknown(name: string, path: string, kind: ModelKind): InputError {
  if (/[/\\]|\.(safetensors|ckpt|bin|pt)$/.test(name)) return new InputError(`There is no file or folder ${path}.`);
  const names = namesOf(kind);
  const near = nearest(
    name,
    MODELS.flatMap((model) => (model.kind === kind ? [model.name, ...(model.aliases ?? [])] : [])),
  );
  const hint = near ? `Did you mean "${near}"?` : `Known names: ${names.join(", ")}.`;
  return new InputError(
    `No model is called "${name}". ${hint} A path or a repository ("organisation/name") in the Hugging Face cache is ` +
      "taken too.",
  );
}
