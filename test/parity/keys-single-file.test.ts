/** Single files in the original layout: every name and shape that diffusers knows must be found in them, exactly. */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { byteWidth, type StoredTensor, sizeOf } from "../../src/tensor/index.ts";
import { checkWeights, type ModelPart, openCheckpoint, readTensor } from "../../src/weights/index.ts";
import { exists, list, path, readJson, readTensors } from "../support/fixtures.ts";

type Shapes = Record<string, number[]>;
interface Table {
  config: Record<string, unknown>;
  tensors: Shapes;
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-keys-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A full-size float16 file with a true header over a hole: gigabytes by its length, none on the disk. */
async function sparseFile(name: string, shapes: Shapes, metadata: Record<string, string> = {}): Promise<string> {
  let end = 0;
  const entries: [string, unknown][] = [["__metadata__", metadata]];
  for (const [tensor, shape] of Object.entries(shapes)) {
    const begin = end;
    end += sizeOf(shape) * byteWidth("float16");
    entries.push([tensor, { dtype: "F16", shape, data_offsets: [begin, end] }]);
  }
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const file = await open(join(folder, name), "w");
  await file.writeFile(Buffer.concat([length, header]));
  await file.truncate(8 + header.length + end);
  await file.close();
  return join(folder, name);
}

function expectExactly(part: ModelPart, { tensors }: Pick<Table, "tensors">): void {
  const found = new Map([...part.weights.names()].map((name) => [name, [...part.weights.get(name)!.shape]]));
  for (const [name, shape] of Object.entries(tensors)) expect(found.get(name), name).toEqual(shape);
  expect(checkWeights(part, new Map(Object.entries(tensors)))).toEqual([]);
}

const buffers = { betas: [1000], alphas_cumprod: [1000], "model_ema.decay": [] };
const singleFile = (name: string) => ({ ...readJson<Table>("keys", name).tensors, ...buffers });
const keys = (name: string) => readJson<Table>("keys", name);
const inpainting = (shapes: Shapes) => ({ ...shapes, "model.diffusion_model.input_blocks.0.0.weight": [320, 9, 3, 3] });

describe("published names", () => {
  test("SD 1.5", async () => {
    const checkpoint = await openCheckpoint(await sparseFile("sd15.safetensors", singleFile("single-file-sd15.json")));
    expectExactly(checkpoint.unet, keys("sd15-unet.json"));
    expectExactly(checkpoint.vae, keys("sd-vae.json"));
    expectExactly(checkpoint.textEncoder, keys("sd15-text-encoder.json"));
    expect(checkpoint.unet.config).toMatchObject(keys("sd15-unet.json").config);
    expect(checkpoint.vae.config).toMatchObject(keys("sd-vae.json").config);
    expectSame(checkpoint.textEncoder.config, keys("sd15-text-encoder.json").config);
    expect(checkpoint.scheduler).toMatchObject({ ...published("sd15"), prediction_type: "epsilon" });
    expect(checkpoint.tokenizer.specialTokensMap?.["pad_token"]).toBe("<|endoftext|>");
    expect(checkpoint.notes).toEqual([]);
  });

  test("SD 2.1: v-prediction is assumed, and said", async () => {
    const checkpoint = await openCheckpoint(await sparseFile("sd21.safetensors", singleFile("single-file-sd21.json")));
    expectExactly(checkpoint.unet, keys("sd21-unet.json"));
    expectExactly(checkpoint.vae, keys("sd-vae.json"));
    expectExactly(checkpoint.textEncoder, keys("sd2-text-encoder.json"));
    expect(checkpoint.unet.config).toMatchObject(without(keys("sd21-unet.json").config, DEFAULTS));
    expectSame(checkpoint.textEncoder.config, keys("sd2-text-encoder.json").config);
    expect(checkpoint.scheduler).toMatchObject(published("sd21-v"));
    expect(checkpoint.tokenizer.specialTokensMap?.["pad_token"]).toBe("!");
    expect(checkpoint.tokenizer.merges.split("\n").length).toBeGreaterThan(48_000);
    expect(checkpoint.notes.join()).toMatch(/v_prediction.*--prediction/);
  });

  test("SD 2.1-base: told by global_step, by the file's own word, or by its user", async () => {
    const shapes = singleFile("single-file-sd21.json");
    const told = await openCheckpoint(await sparseFile("step.safetensors", shapes, { global_step: "875000" }));
    const says = await sparseFile("says.safetensors", shapes, { "modelspec.prediction_type": "epsilon" });
    const asked = await openCheckpoint(await sparseFile("asked.safetensors", shapes), { prediction: "epsilon" });
    for (const checkpoint of [told, await openCheckpoint(says), asked]) {
      expect(checkpoint.scheduler).toMatchObject(published("sd21-base"));
      expect(checkpoint.unet.config).toMatchObject(without(keys("sd21-base-unet.json").config, DEFAULTS));
    }
    expect(told.notes).toHaveLength(1);
    expect(asked.notes).toEqual([]);
  });

  test("inpainting models have nine channels and predict the noise", async () => {
    const one = await sparseFile("inpaint15.safetensors", inpainting(singleFile("single-file-sd15.json")));
    expectExactly((await openCheckpoint(one)).unet, keys("sd15-inpainting-unet.json"));
    const two = await sparseFile("inpaint2.safetensors", inpainting(singleFile("single-file-sd21.json")));
    const { unet, scheduler } = await openCheckpoint(two);
    expectExactly(unet, keys("sd2-inpainting-unet.json"));
    expect([unet.config["in_channels"], scheduler["prediction_type"]]).toEqual([9, "epsilon"]);
  });
});

/** Keys of published configs that only repeat their class's default. */
const DEFAULTS = ["dual_cross_attention", "num_class_embeds", "only_cross_attention"];
/** Keys of a text encoder's config that decide on nothing in it. */
const TEXT_REST = ["attention_dropout", "bos_token_id", "dropout", "eos_token_id", "initializer_factor"];
const MORE_REST = ["initializer_range", "pad_token_id"];

function without(config: Readonly<Record<string, unknown>>, rest: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !rest.includes(key)));
}

function expectSame(config: Readonly<Record<string, unknown>>, want: Readonly<Record<string, unknown>>): void {
  expect(config).toEqual(without(want, [...TEXT_REST, ...MORE_REST]));
}

function published(name: string): Record<string, unknown> {
  return without(readJson<Record<string, Record<string, unknown>>>("keys", "schedulers.json")[name]!, [
    "_diffusers_version",
  ]);
}

/** Thousands of tensors are compared at once as bytes; number by number would take seconds. */
async function bytesOf(stored: StoredTensor): Promise<{ dtype: string; shape: readonly number[]; bytes: Buffer }> {
  const { dtype, shape, data } = await readTensor(stored);
  return { dtype, shape, bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}

const singles = list("checkpoints").filter((name) => name.endsWith(".safetensors"));

describe.each(singles)("%s", (name) => {
  test("the single file holds the folder's tensors, byte for byte", async () => {
    const config = path("checkpoints", name.replace(/\.safetensors$/, ""));
    const single = await openCheckpoint(path("checkpoints", name), { config });
    const whole = await openCheckpoint(config);
    expect(single.layout).toBe("single-file");
    expect(single.scheduler).toEqual(whole.scheduler);
    expect(single.tokenizer).toEqual(whole.tokenizer);
    for (const part of ["unet", "vae", "textEncoder"] as const) {
      expect(single[part].config).toEqual(whole[part].config);
      for (const tensor of whole[part].weights.names()) {
        const stored = single[part].weights.get(tensor);
        expect(stored, tensor).toBeDefined();
        const [got, want] = await Promise.all([bytesOf(stored!), bytesOf(whole[part].weights.get(tensor)!)]);
        expect([stored!.dtype, stored!.shape], tensor).toEqual([want.dtype, want.shape]);
        expect(got.bytes.equals(want.bytes), tensor).toBe(true);
      }
    }
    expect(await single.hash()).toMatch(/^[0-9a-f]{64}$/);
  });
});

const VAE_FILE = "diffusion_pytorch_model.safetensors";
const NAMES = { to_q: "query", to_k: "key", to_v: "value", "to_out.0": "proj_attn" };
const vaes = list("checkpoints").filter((name) => exists("checkpoints", name, "vae", VAE_FILE));

test.each(vaes)("%s: the VAE's attention has today's names, with the bytes of the older ones", async (name) => {
  const { vae } = await openCheckpoint(path("checkpoints", name));
  const inFile = readTensors("checkpoints", name, "vae", VAE_FILE);
  for (const [today, then] of Object.entries(NAMES)) {
    for (const tensor of ["encoder", "decoder"].flatMap((side) => [
      `${side}.mid_block.attentions.0.%.weight`,
      `${side}.mid_block.attentions.0.%.bias`,
    ])) {
      const stored = vae.weights.get(tensor.replace("%", today));
      const wanted = inFile.get(tensor.replace("%", then)) ?? inFile.get(tensor.replace("%", today));
      expect(await readTensor(stored!), tensor).toEqual(wanted);
    }
  }
});
