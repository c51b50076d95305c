import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { float32 } from "../../src/tensor/index.ts";
import { cached, openCache, remembered } from "../../src/training/data/cache.ts";
import type { Dataset } from "../../src/training/data/dataset.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-cache-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Pictures of one pixel; what was looked at is noted. */
function pixels(values: readonly number[], looked: number[] = []): Dataset {
  return {
    name: "pixels",
    length: values.length,
    async at(index) {
      looked.push(index);
      if (values[index]! < 0) return { key: `${index}`, skipped: "bad" };
      const picture = { width: 1, height: 1, data: new Uint8Array(3).fill(values[index]!) };
      return { key: `${index}`, picture, caption: `c${index}`, attributes: { box: [index] } };
    },
    identify: async (index) => `pixel ${values[index]}`,
  };
}

const first = async ({ picture }: { picture: { data: Uint8Array } }) => ({ z: float32([1], [picture.data[0]! / 2]) });

describe("cached", () => {
  it("encodes each picture once, in whichever process, and gives back what it was", async () => {
    const looked: number[] = [];
    const at = (identity: string, index: number) =>
      cached(pixels([4, 5, -1], looked), openCache(folder, { identity }), first).at(index);
    const made = await at("vae 1", 0);
    expect(made).toEqual({ key: "0", caption: "c0", attributes: { box: [0] }, tensors: { z: float32([1], [2]) } });
    expect(await at("vae 1", 0)).toEqual(made);
    expect(looked).toEqual([0]);
    await at("vae 1", 1);
    await at("vae 2", 0);
    expect(looked).toEqual([0, 1, 0]);
    expect(await at("vae 1", 2)).toEqual({ key: "2", skipped: "bad" });
  });

  it("keeps nothing of what was interrupted, and makes what is damaged anew", async () => {
    const looked: number[] = [];
    const dataset = pixels([7], looked);
    const cache = openCache(folder, { identity: "vae" });
    const failing = cached(dataset, cache, () => Promise.reject(new Error("stopped")));
    await expect(failing.at(0)).rejects.toThrow("stopped");
    const working = cached(dataset, cache, first);
    const whole = await working.at(0);
    const files = (await readdir(folder, { recursive: true })).filter((name) => name.includes("."));
    expect(files).toHaveLength(1);
    const path = join(folder, files[0]!);
    const bytes = await readFile(path);
    for (const damaged of [bytes.subarray(0, 20), bytes.subarray(0, -1), zeroed(bytes)]) {
      await writeFile(path, damaged);
      const before = looked.length;
      expect(await working.at(0)).toEqual(whole);
      expect(looked.length).toBe(before + 1);
      expect(await readFile(path)).toEqual(bytes);
    }
  });

  it("goes on where nothing can be kept, and says so once", async () => {
    const file = join(folder, "a file");
    await writeFile(file, "");
    const said: string[] = [];
    const cache = openCache(file, { identity: "vae", onTrouble: (reason) => said.push(reason) });
    const places = cached(pixels([1, 2]), cache, first);
    expect(await places.at(0)).toMatchObject({ key: "0" });
    expect(await places.at(1)).toMatchObject({ key: "1" });
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(`Nothing more is kept in ${file}`);
  });
});

describe("remembered", () => {
  it("makes an embedding once a caption", async () => {
    const cache = openCache(folder, { identity: "text encoder" });
    let made = 0;
    const embed = (text: string) =>
      remembered(cache, text, async () => ({ hidden: float32([2], [++made, text.length]) }));
    const one = await embed("a cat");
    expect(await embed("a cat")).toEqual(one);
    expect(await embed("a dog")).not.toEqual(one);
    expect(made).toBe(2);
  });
});

/** The name and the length of a file, but not its last bytes. */
function zeroed(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.fill(0, bytes.length - 4);
  return copy;
}
