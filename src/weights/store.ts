import { dirname, join } from "node:path";
import { InputError, type StoredTensor } from "../tensor/index.ts";
import { readJson, readSafetensors, type SafetensorsFile, statOrUndefined } from "./files.ts";
import { isObject } from "./json.ts";

/** Weights by name. Nothing is read before it is asked for; what is handed out is a place in a file. */
export interface WeightStore {
  get(name: string): StoredTensor | undefined;
  names(): Iterable<string>;
  /** The file or folder, for messages. */
  describe(): string;
  /** The real paths of the files that hold them, in order. */
  files(): readonly string[];
}

/** A store over tensors that are already known. */
export function storeOf(tensors: ReadonlyMap<string, StoredTensor>, where: string): WeightStore {
  return {
    get: (name) => tensors.get(name),
    names: () => tensors.keys(),
    describe: () => where,
    files: () => [...new Set([...tensors.values()].map(({ file }) => file))].sort(),
  };
}

/** One .safetensors file as a store. Throws as readSafetensors does. */
export async function openWeightFile(path: string): Promise<WeightStore> {
  return storeOf((await readSafetensors(path)).tensors, path);
}

/** A generous bound: the largest published index has a few thousand names. */
const MAX_INDEX = 1 << 25;

/**
 * Weights spread over several files by an index `{"weight_map": {"tensor": "file", …}}`, as diffusers and transformers
 * write it. The shards must lie beside the index.
 *
 * @throws InputError naming the index or the shard: a name that leaves the folder, a missing or damaged shard, a tensor
 *   that is not in the shard it should be in
 */
export async function openShardedWeights(indexPath: string): Promise<WeightStore> {
  const { weight_map: map } = await readJson(indexPath, MAX_INDEX);
  if (!isObject(map)) throw new InputError(`${indexPath} has no "weight_map". Get it again.`);
  const shards = new Map<string, SafetensorsFile>();
  const names = Object.entries(map);
  for (const [, shard] of names) checkShardName(shard, indexPath);
  for (const shard of new Set(Object.values(map) as string[])) {
    const path = join(dirname(indexPath), shard);
    if (!(await statOrUndefined(path))) {
      throw new InputError(`${indexPath} names the shard ${shard}, which is not beside it. Get the missing file.`);
    }
    shards.set(shard, await readSafetensors(path));
  }
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shard] of names) {
    const { path, tensors: held } = shards.get(shard as string)!;
    const stored = held.get(name);
    if (!stored) throw new InputError(`${indexPath} says that ${path} holds ${JSON.stringify(name)}, but it does not.`);
    tensors.set(name, stored);
  }
  return storeOf(tensors, dirname(indexPath));
}

/** A shard is a plain file name: no folder, drive or address, nothing that could lead elsewhere. */
function checkShardName(shard: unknown, indexPath: string): asserts shard is string {
  if (typeof shard === "string" && /^[\w-][\w.-]*\.safetensors$/.test(shard)) return;
  throw new InputError(
    `${indexPath} names the shard ${JSON.stringify(shard)}. A shard must be a .safetensors file beside the index; ` +
      "nothing else is read or fetched.",
  );
}
