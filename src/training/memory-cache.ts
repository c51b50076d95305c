import type { Kept, TensorCache } from "./data/cache.ts";

/** Bytes of what frozen networks gave that stay in memory. */
const ROOM = 2 ** 28;

/**
 * A cache in memory, over one on the disk where there is one. Nothing is forgotten for what comes later: who goes through all
 * of it again and again gains nothing by that.
 */
export function memoryCache(below?: TensorCache): TensorCache {
  const known = new Map<string, Kept>();
  let left = ROOM;
  const hold = (key: string, kept: Kept): void => {
    const bytes = Object.values(kept.tensors).reduce((sum, { data }) => sum + data.byteLength, 0);
    if (bytes > left || known.has(key)) return;
    known.set(key, kept);
    left -= bytes;
  };
  return {
    async get(key) {
      const there = known.get(key) ?? (await below?.get(key));
      if (there) hold(key, there);
      return there;
    },
    async put(key, kept) {
      hold(key, kept);
      await below?.put(key, kept);
    },
  };
}
