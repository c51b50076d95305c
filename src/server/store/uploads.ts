import { createFileStore, type FileStore } from "./files.ts";

/** The files that requests bring, named by what is in them. */
export interface UploadStore extends FileStore {
  /** Removes those that are not used, and says how many that were. */
  prune(used: () => ReadonlySet<string>): Promise<number>;
}

/** Milliseconds in which every request that has brought a file, or looked at one, is stored or refused. */
const BEING_ASKED = 3_600_000;

/** The uploads of a folder. What a request was read with is kept, though no job that is stored uses it yet. */
export function createUploadStore(folder: string, now: () => number = Date.now): UploadStore {
  const files = createFileStore(folder);
  const touched = new Map<string, number>();
  const removing = new Map<string, Promise<void>>();
  const touch = async (name: string): Promise<void> => {
    touched.set(name, now());
    await removing.get(name);
  };
  return {
    ...files,
    async read(name) {
      await touch(name);
      return files.read(name);
    },
    async write(name, bytes) {
      await touch(name);
      return files.write(name, bytes);
    },
    async prune(used) {
      const names = await files.names();
      // Nothing is awaited until all removals are known: who comes for a file after that waits for them.
      for (const [name, at] of touched) if (now() - at > BEING_ASKED) touched.delete(name);
      const kept = used();
      const unused = names.filter((name) => !touched.has(name) && !kept.has(name.slice(0, name.lastIndexOf("."))));
      for (const name of unused) {
        const removed = files.remove(name).finally(() => removing.delete(name));
        removing.set(name, removed);
      }
      await Promise.all(unused.map((name) => removing.get(name)));
      return unused.length;
    },
  };
}
