import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, type StoredTensor, tensor } from "../../src/tensor/index.ts";
import {
  checkWeights,
  findNonFinite,
  openShardedWeights,
  openWeightFile,
  readTensor,
  storeOf,
  writeSafetensors,
} from "../../src/weights/index.ts";
import { openClipTextKeys } from "../../src/weights/keys/clip-text.ts";
import { below, renamed } from "../../src/weights/keys/rename.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-store-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const stored = (shape: readonly number[], dtype: StoredTensor["dtype"] = "float32"): StoredTensor => {
  const length = shape.reduce((n, dim) => n * dim, 4);
  return { dtype, shape, file: "/w", offset: 100, length };
};
const store = (tensors: Record<string, StoredTensor>) => storeOf(new Map(Object.entries(tensors)), "/models/w");

describe("shards", () => {
  test("tensors are taken from the file that the index names", async () => {
    await writeSafetensors(join(folder, "m-1.safetensors"), { a: float32([1], [1]), hidden: float32([1], [9]) });
    await writeSafetensors(join(folder, "m-2.safetensors"), { b: float32([1], [2]) });
    const index = join(folder, "m.safetensors.index.json");
    await writeFile(index, JSON.stringify({ weight_map: { b: "m-2.safetensors", a: "m-1.safetensors" } }));
    const weights = await openShardedWeights(index);
    expect([...weights.names()]).toEqual(["b", "a"]);
    expect((await readTensor(weights.get("b")!)).data[0]).toBe(2);
    expect(weights.files().map((file) => file.slice(-15))).toEqual(["m-1.safetensors", "m-2.safetensors"]);
    expect(weights.describe()).toBe(folder);
  });

  test("an index that promises more than its shard holds", async () => {
    const index = join(folder, "wrong.index.json");
    await writeFile(index, JSON.stringify({ weight_map: { gone: "m-1.safetensors" } }));
    await expect(openShardedWeights(index)).rejects.toThrow(/m-1\.safetensors holds "gone", but it does not/);
    await writeFile(index, JSON.stringify({}));
    await expect(openShardedWeights(index)).rejects.toThrow(/no "weight_map"/);
  });

  test.each(["../m-1.safetensors", "sub/m-1.safetensors", "..\\m-1.safetensors", "C:m.safetensors", "m-1.bin", "", 5])(
    "the shard name %j is refused",
    async (shard) => {
      const index = join(folder, "evil.index.json");
      await writeFile(index, JSON.stringify({ weight_map: { a: shard } }));
      await expect(openShardedWeights(index)).rejects.toThrow(/must be a \.safetensors file beside the index/);
    },
  );
});

describe("key tables", () => {
  test("the longest prefix decides, and whole segments only", () => {
    const view = renamed(store({ "a.b.x": stored([1]), "a.c.x": stored([1]), "a.cx.y": stored([1]), z: stored([1]) }), [
      { from: "a.", to: "A.", leaves: { c: "C" } },
      { from: "a.b.", to: "B." },
    ]);
    expect([...view.names()]).toEqual(["B.x", "A.C.x", "A.cx.y", "z"]);
  });

  test("fused projections are cut into rows where they lie", async () => {
    const path = join(folder, "fused.safetensors");
    const fused = Float32Array.from({ length: 12 }, (_, i) => i);
    await writeSafetensors(path, {
      "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_weight": float32([6, 2], fused),
      "cond_stage_model.model.transformer.resblocks.0.attn.in_proj_bias": float32([6], fused.subarray(0, 6)),
      "cond_stage_model.model.transformer.resblocks.1.ln_1.weight": float32([2], [0, 0]),
    });
    const view = renamed(below(await openWeightFile(path), "cond_stage_model.model."), openClipTextKeys(1));
    const layer = "text_model.encoder.layers.0.self_attn";
    const q = await readTensor(view.get(`${layer}.q_proj.weight`)!);
    const v = await readTensor(view.get(`${layer}.v_proj.weight`)!);
    const k = await readTensor(view.get(`${layer}.k_proj.bias`)!);
    expect([q.shape, [...q.data]]).toEqual([
      [2, 2],
      [0, 1, 2, 3],
    ]);
    expect([v.shape, [...v.data]]).toEqual([
      [2, 2],
      [8, 9, 10, 11],
    ]);
    expect([k.shape, [...k.data]]).toEqual([[2], [2, 3]]);
    expect(view.get("transformer.resblocks.1.ln_1.weight")).toBeDefined();
    expect([...view.names()].filter((name) => name.includes("layers.1"))).toEqual([]);
  });

  test("rows that cannot be cut", () => {
    const odd = store({ "transformer.resblocks.0.attn.in_proj_bias": stored([4]) });
    expect(() => renamed(odd, openClipTextKeys(1))).toThrow(/in_proj_bias has the shape \[4\].*3 equal parts/);
  });
});

describe("checks", () => {
  const wanted = new Map<string, readonly number[]>([
    ["a.weight", [2, 3]],
    ["b.weight", [4]],
    ["c.weight", []],
  ]);
  const good = { "a.weight": stored([2, 3]), "b.weight": stored([4], "bfloat16"), "c.weight": stored([]) };

  test("what fits passes, with known buffers and the scales of 8-bit weights", () => {
    expect(checkWeights({ weights: store(good) }, wanted)).toEqual([]);
    const more = {
      ...good,
      "a.weight": stored([2, 3], "int8"),
      "a.weight.scale": stored([2]),
      "text_model.embeddings.position_ids": stored([1, 77], "int64"),
    };
    expect(checkWeights({ weights: store(more) }, wanted)).toEqual([]);
  });

  test("more than is wanted is said, unless only a part was asked for", () => {
    const weights = store({ ...good, x: stored([1]), y: stored([1]), z: stored([1]), w: stored([1]) });
    expect(checkWeights({ weights }, wanted)).toEqual([expect.stringMatching(/^\/models\/w.*x, y, z, and 1 more\.$/)]);
    expect(checkWeights({ weights }, wanted, { partial: true })).toEqual([]);
  });

  test("what is missing or wrong is named, with both shapes", () => {
    const check = (tensors: Record<string, StoredTensor>) => () => checkWeights({ weights: store(tensors) }, wanted);
    expect(check({})).toThrow(/\/models\/w lacks all 3 tensors.*a\.weight \[2,3\], b\.weight \[4\], c\.weight \[\]/);
    expect(check({ ...good, "a.weight": stored([3, 2]) })).toThrow(
      /a\.weight should have the shape \[2,3\], but has \[3,2\]/,
    );
    expect(check({ ...good, "b.weight": stored([4], "int8") })).toThrow(/b\.weight should hold floating-point.*int8/);
  });

  test("the first number that is not finite is found, in every float type", async () => {
    const path = join(folder, "finite.safetensors");
    const f16 = (...bits: number[]) => tensor("float16", [bits.length], Uint16Array.from(bits));
    const bf16 = (...bits: number[]) => tensor("bfloat16", [bits.length], Uint16Array.from(bits));
    const at = async (bad: Parameters<typeof writeSafetensors>[1]) => {
      await writeSafetensors(path, { fine: float32([3], [0, -3e38, 1e-40]), half: f16(0x7bff, 0xfbff), ...bad });
      return await findNonFinite(await openWeightFile(path));
    };
    expect(await at({ ids: tensor("int64", [1], new BigInt64Array([-1n])) })).toBeUndefined();
    expect(await at({ x: float32([2], [1, Number.NaN]) })).toEqual({ name: "x", value: "NaN" });
    expect(await at({ x: float32([2], [1, Number.NEGATIVE_INFINITY]) })).toEqual({ name: "x", value: "infinity" });
    const f64 = (...values: number[]) => tensor("float64", [values.length], Float64Array.from(values));
    expect(await at({ x: f64(1e300, 5e-324) })).toBeUndefined();
    expect(await at({ x: f64(1, Number.NaN) })).toEqual({ name: "x", value: "NaN" });
    expect(await at({ x: f64(Number.POSITIVE_INFINITY) })).toEqual({ name: "x", value: "infinity" });
    expect(await at({ x: f16(0x3c00, 0x7c00) })).toEqual({ name: "x", value: "infinity" });
    expect(await at({ x: f16(0xfe00) })).toEqual({ name: "x", value: "NaN" });
    expect(await at({ x: bf16(0x3f80, 0x7fc0) })).toEqual({ name: "x", value: "NaN" });
  });
});
