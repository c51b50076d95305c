import { readFile } from "node:fs/promises";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { Config } from "../pipelines/config.ts";
import { InputError } from "../tensor/index.ts";
import type { Cli } from "./cli.ts";

/** Where the config file is looked for, if at all. */
export interface ConfigOptions {
  /** Its path; false for none; undefined to look for one. */
  readonly configFile?: string | false;
}

/** A config file and what it says, paths in it as they are seen from here. */
export interface FoundConfig {
  /** Undefined where there is none. */
  readonly file: string | undefined;
  readonly config: Config;
}

/** In the order in which they are looked for in each folder. */
const NAMES = ["ts", "mts", "js", "mjs", "json"].map((extension) => `inkling.config.${extension}`);

/**
 * The config file that was named, or the first from the current folder upwards to the home folder or the root.
 *
 * @throws InputError naming the file and what is wrong with it
 */
export async function findConfig({ configFile }: ConfigOptions, { env }: Pick<Cli, "env">): Promise<FoundConfig> {
  if (configFile === false) return { file: undefined, config: {} };
  const found =
    configFile === undefined ? await search(env["HOME"]) : { file: configFile, value: await loadFile(configFile) };
  if (!found) return { file: undefined, config: {} };
  const { checkConfig } = await import("../pipelines/config.ts");
  const { defaults, ...config } = checkConfig(found.value, found.file);
  return { file: found.file, config: { ...config, defaults: defaults && placed(defaults, dirname(found.file)) } };
}

async function search(home: string | undefined): Promise<{ file: string; value: unknown } | undefined> {
  const { lilconfig } = await import("lilconfig");
  const searcher = lilconfig("inkling", {
    searchPlaces: NAMES,
    loaders: Object.fromEntries(NAMES.map((name) => [extname(name), (file: string) => ({ file })])),
    ignoreEmptySearchPlaces: false,
    cache: false,
    ...(home && { stopDir: home }),
  });
  const found = await searcher.search().catch((error: NodeJS.ErrnoException) => {
    throw new InputError(`An inkling.config file cannot be read: ${error.message}.`, { cause: error });
  });
  if (!found) return undefined;
  const file = relative(process.cwd(), found.filepath);
  return { file, value: await loadFile(file) };
}

/**
 * What a config file holds: JSON is read, a program is run.
 *
 * @throws InputError naming the file and what is wrong with it
 */
export async function loadFile(file: string): Promise<unknown> {
  const path = resolve(file);
  try {
    switch (extname(path)) {
      case ".json":
        return JSON.parse((await readFile(path, "utf8")).replace(/^\uFEFF/, ""));
      case ".js":
      case ".mjs":
        return await imported(path);
      case ".ts":
      case ".mts":
        return await typed(path);
    }
  } catch (error) {
    throw new InputError(`${file} cannot be loaded: ${said(error)}.`, { cause: error });
  }
  throw new InputError(`${file} is no config file by its name: it ends in .json, .js, .mjs, .ts or .mts.`);
}

async function imported(path: string): Promise<unknown> {
  const module: { default?: unknown } = await import(pathToFileURL(path).href);
  return module.default;
}

/** Node strips types itself from 22.18 on; before that jiti does. */
async function typed(path: string): Promise<unknown> {
  if ("typescript" in process.features && process.features.typescript) return imported(path);
  const { createJiti } = await import("jiti");
  // Nothing is left behind: by default it keeps what it compiled in a folder.
  return createJiti(path, { fsCache: false, moduleCache: false }).import(path, { default: true });
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  // Of several lines the first says what is wrong.
  const first = message.split("\n")[0]!.replace(/\.$/, "");
  const alone = /Cannot find (package|module) 'inkling'/.test(first);
  return alone ? `${first}; write a plain object, or \`import type\`, where the package is not installed` : first;
}

type Defaults = NonNullable<Config["defaults"]>;

/** Paths in a file are seen from its folder. */
function placed({ model, output, prepared, embeddings, ...defaults }: Defaults, folder: string): Defaults {
  const from = (path: string): string => join(folder, path);
  return {
    ...defaults,
    ...(model !== undefined && { model: /^\.\.?[/\\]/.test(model) ? dotted(from(model)) : model }),
    ...(output !== undefined && { output: output === "-" || resolve(output) === output ? output : from(output) }),
    ...(embeddings && {
      embeddings: Object.fromEntries(Object.entries(embeddings).map(([word, file]) => [word, resolve(folder, file)])),
    }),
    ...(prepared !== undefined && { prepared: prepared && resolve(folder, prepared) }),
  };
}

/** A path, never to be taken for a model's name. */
function dotted(path: string): string {
  return path.startsWith("..") || resolve(path) === path ? path : `.${sep}${path}`;
}
