import { createHash } from "node:crypto";
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32, InputError, type Tensor } from "../../src/tensor/index.ts";
import { openCheckpoint, openModelPart, readTokenizer, writeSafetensors } from "../../src/weights/index.ts";
import { path, readTensors } from "../support/fixtures.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-checkpoint-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const tiny = (name: string) => path("checkpoints", name);

/** A copy that may be spoilt. */
async function copyOf(name: string): Promise<string> {
  const copy = await mkdtemp(join(folder, "copy-"));
  await cp(tiny(name), copy, { recursive: true, dereference: true });
  return copy;
}

async function edit(file: string, change: object): Promise<void> {
  await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, "utf8")), ...change }));
}

describe("folders", () => {
  test("plain, half precision by variant, and shards", async () => {
    const plain = await openCheckpoint(tiny("tiny-sd15"));
    expect([plain.name, plain.layout, plain.path]).toEqual(["tiny-sd15", "folder", tiny("tiny-sd15")]);
    const half = await openCheckpoint(tiny("tiny-sd15-fp16"));
    expect(half.unet.weights.get("conv_in.weight")?.dtype).toBe("float16");
    expect(half.unet.weights.describe()).toMatch(/unet\/diffusion_pytorch_model\.fp16\.safetensors$/);
    const shards = await openCheckpoint(tiny("tiny-sharded"));
    expect(shards.unet.weights.files()).toHaveLength(3);
    expect(new Set(shards.unet.weights.names())).toEqual(
      new Set((await openCheckpoint(tiny("tiny-turbo"))).unet.weights.names()),
    );
  });

  test("a variant is taken when asked for, the plain files otherwise", async () => {
    const copy = await copyOf("tiny-sd15");
    for (const [part, stem] of Object.entries({
      unet: "diffusion_pytorch_model",
      vae: "diffusion_pytorch_model",
      text_encoder: "model",
    })) {
      await cp(
        join(tiny("tiny-sd15-fp16"), part, `${stem}.fp16.safetensors`),
        join(copy, part, `${stem}.fp16.safetensors`),
      );
    }
    const dtype = async (variant?: string) =>
      (await openCheckpoint(copy, { variant })).unet.weights.get("conv_in.weight")?.dtype;
    expect([await dtype(), await dtype("fp16")]).toEqual(["float32", "float16"]);
    await expect(dtype("non_ema")).rejects.toThrow(/no weights of the variant "non_ema".*fp16, the plain one/);
  });

  test("the hash is the U-Net file's SHA-256", async () => {
    const checkpoint = await openCheckpoint(tiny("tiny-bk"));
    const bytes = await readFile(join(tiny("tiny-bk"), "unet", "diffusion_pytorch_model.safetensors"));
    expect(await checkpoint.hash()).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  test("prediction_type is always settled", async () => {
    expect((await openCheckpoint(tiny("tiny-sd15"))).scheduler["prediction_type"]).toBe("epsilon");
    expect((await openCheckpoint(tiny("tiny-sd21-v"))).scheduler["prediction_type"]).toBe("v_prediction");
    const other = await openCheckpoint(tiny("tiny-sd21-v"), { prediction: "sample" });
    expect(other.scheduler["prediction_type"]).toBe("sample");
    const copy = await copyOf("tiny-sd15");
    await edit(join(copy, "scheduler", "scheduler_config.json"), { prediction_type: "guess" });
    await expect(openCheckpoint(copy)).rejects.toThrow(
      /"prediction_type" is "guess"\. Supported: epsilon, v_prediction/,
    );
  });

  test("text encoders with and without the text_model prefix are the same", async () => {
    const copy = await copyOf("tiny-sd21-v");
    const file = join(copy, "text_encoder", "model.safetensors");
    const bare: Record<string, Tensor> = {};
    for (const [name, tensor] of readTensors("checkpoints", "tiny-sd21-v", "text_encoder", "model.safetensors")) {
      bare[name.replace(/^text_model\./, "")] = tensor;
    }
    await writeSafetensors(file, bare);
    const names = async (at: string) => [...(await openCheckpoint(at)).textEncoder.weights.names()].sort();
    expect(await names(copy)).toEqual(await names(tiny("tiny-sd21-v")));
  });

  test.each<[string, (copy: string) => Promise<unknown>, RegExp]>([
    ["no model_index.json", (copy) => rm(join(copy, "model_index.json")), /has no model_index\.json.*holds unet\//],
    ["no U-Net", (copy) => rm(join(copy, "unet"), { recursive: true }), /unet\/config\.json does not exist/],
    ["no weights", (copy) => rm(join(copy, "vae", "diffusion_pytorch_model.safetensors")), /vae has no weights/],
    ["no tokenizer", (copy) => rm(join(copy, "tokenizer"), { recursive: true }), /tokenizer has no tokenizer/],
    ["no merges", (copy) => rm(join(copy, "tokenizer", "merges.txt")), /merges\.txt does not exist/],
    [
      "another VAE",
      (copy) => edit(join(copy, "vae", "config.json"), { _class_name: "VQModel" }),
      /vae\/config\.json: "_class_name" is "VQModel".*AutoencoderTiny/,
    ],
    [
      "no such block",
      (copy) => edit(join(copy, "vae", "config.json"), { block_out_channels: "many" }),
      /vae\/config\.json: "block_out_channels"/,
    ],
    [
      "no heads",
      (copy) => edit(join(copy, "text_encoder", "config.json"), { num_attention_heads: 5 }),
      /"num_attention_heads": 5 heads/,
    ],
    [
      "a huge config",
      (copy) => writeFile(join(copy, "unet", "config.json"), " ".repeat(2 << 20)),
      /has 2097152 bytes; .*no more than/,
    ],
  ])("%s", async (_, spoil, message) => {
    const copy = await copyOf("tiny-sd15");
    await spoil(copy);
    const error = await openCheckpoint(copy).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InputError);
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(copy);
  });

  test("the name of a cached snapshot is its repository's", async () => {
    const snapshot = join(folder, "models--org--name-v1", "snapshots", "0123abcd");
    await cp(tiny("tiny-bk"), snapshot, { recursive: true });
    expect((await openCheckpoint(snapshot)).name).toBe("org/name-v1");
  });
});

describe("another configuration and another VAE", () => {
  test("a single file of a size nobody published needs its configuration", async () => {
    const file = tiny("tiny-sd15.safetensors");
    await expect(openCheckpoint(file)).rejects.toThrow(/attends to texts of width \d+, not 768.*--config/);
    const opened = await openCheckpoint(file, { config: tiny("tiny-sd15"), prediction: "v_prediction" });
    expect([opened.name, opened.layout]).toEqual(["tiny-sd15", "single-file"]);
    expect(opened.scheduler["prediction_type"]).toBe("v_prediction");
  });

  test("the VAE of a folder, of a checkpoint, of a file, a tiny one", async () => {
    const vae = async (location: string) => (await openCheckpoint(tiny("tiny-sd21-v"), { vae: location })).vae;
    const own = (await openCheckpoint(tiny("tiny-sd15"))).vae;
    for (const location of [
      tiny("tiny-sd15"),
      join(tiny("tiny-sd15"), "vae"),
      join(tiny("tiny-sd15"), "vae", "diffusion_pytorch_model.safetensors"),
    ]) {
      const taken = await vae(location);
      expect(taken.config).toEqual(own.config);
      expect([...taken.weights.names()]).toEqual([...own.weights.names()]);
      expect(taken.weights.files()).toEqual(own.weights.files());
    }
    expect((await vae(tiny("tiny-taesd"))).config["_class_name"]).toBe("AutoencoderTiny");
  });

  test("a VAE's file in the original layout, with and without its prefix", async () => {
    const own = (await openCheckpoint(tiny("tiny-sd15"))).vae;
    const bare: Record<string, Tensor> = {};
    const prefixed: Record<string, Tensor> = {};
    for (const [name, tensor] of readTensors("checkpoints", "tiny-sd15.safetensors")) {
      if (!name.startsWith("first_stage_model.")) continue;
      prefixed[name] = tensor;
      bare[name.replace("first_stage_model.", "")] = tensor;
    }
    for (const [i, tensors] of [bare, prefixed].entries()) {
      const file = join(folder, `vae-${i}.safetensors`);
      await writeSafetensors(file, tensors);
      const { vae } = await openCheckpoint(tiny("tiny-sd15"), { vae: file });
      const shapes = (part: typeof vae) => [...part.weights.names()].sort().map((n) => [n, part.weights.get(n)!.shape]);
      expect(shapes(vae)).toEqual(shapes(own));
    }
  });

  test("what is no VAE", async () => {
    const open = (vae: string) => openCheckpoint(tiny("tiny-sd15"), { vae });
    await expect(open(join(tiny("tiny-sd15"), "unet"))).rejects.toThrow(/"UNet2DConditionModel", not a VAE/);
    await expect(open(join(folder, "nowhere"))).rejects.toThrow(/nowhere does not exist/);
    const file = join(folder, "strange.safetensors");
    await writeSafetensors(file, { x: float32([1], [1]) });
    await expect(open(file)).rejects.toThrow(/strange\.safetensors holds no VAE/);
    await writeSafetensors(file, { "encoder.conv_in.weight": float32([3, 1], [1, 1, 1]) });
    await expect(open(file)).rejects.toThrow(/VAE of 3 channels.*config\.json/);
  });

  test("a network alone", async () => {
    const part = await openModelPart(tiny("tiny-taesd"));
    expect(part.config["_class_name"]).toBe("AutoencoderTiny");
    expect(part.weights.get("decoder.layers.0.weight")).toBeDefined();
  });
});

describe("single files that are something else", () => {
  const unet = "model.diffusion_model.input_blocks";
  test.each<[string, string[], RegExp]>([
    ["an adapter", ["lora_unet_down_blocks_0.lora_down.weight"], /an adapter \(LoRA\)/],
    ["an embedding", ["emb_params"], /a textual-inversion embedding/],
    ["SD XL", [`${unet}.0.0.weight`, "conditioner.embedders.1.model.x"], /Stable Diffusion XL.*not supported/],
    ["SD 3", ["model.diffusion_model.joint_blocks.0.x"], /another architecture/],
    ["a U-Net alone", ["down_blocks.0.resnets.0.conv1.weight"], /U-Net of a checkpoint folder alone/],
    ["a VAE alone", ["first_stage_model.encoder.conv_in.weight"], /a VAE alone/],
    ["anything", ["x"], /no checkpoint: no tensor's name begins with "model\.diffusion_model\."/],
    ["a U-Net of unknown width", [`${unet}.0.0.weight`], /does not attend to the text in its first block/],
  ])("%s", async (_, names, message) => {
    const file = join(folder, "other.safetensors");
    await writeSafetensors(file, Object.fromEntries(names.map((name) => [name, float32([1], [0])])));
    await expect(openCheckpoint(file)).rejects.toThrow(message);
  });

  test("nothing at all", async () => {
    await expect(openCheckpoint(join(folder, "none"))).rejects.toThrow(
      /none does not exist\. Give a checkpoint folder/,
    );
  });
});

describe("tokenizers", () => {
  test("a tokenizer.json alone holds the same", async () => {
    const slow = await readTokenizer(join(tiny("tiny-sd15"), "tokenizer"));
    const own = join(folder, "tokenizer");
    await mkdir(own);
    const merges = slow.merges.trim().split("\n").slice(1);
    for (const written of [merges, merges.map((line) => line.split(" "))]) {
      const model = { type: "BPE", vocab: { ...slow.vocab }, merges: written };
      await writeFile(join(own, "tokenizer.json"), JSON.stringify({ version: "1.0", model }));
      const fast = await readTokenizer(own);
      expect(fast.vocab).toEqual(slow.vocab);
      expect(fast.merges.trim().split("\n").slice(1)).toEqual(merges);
    }
    await writeFile(join(own, "tokenizer.json"), JSON.stringify({ model: { type: "Unigram", vocab: {}, merges: [] } }));
    await expect(readTokenizer(own)).rejects.toThrow(/tokenizer\.json: "model\.type"/);
  });

  test("merges and ids must fit the vocabulary", async () => {
    const own = join(folder, "unfit");
    await mkdir(own);
    await writeFile(join(own, "vocab.json"), '{"a": 0, "ab": 1, "abc": 2}');
    for (const [merge, fault] of [
      ["a b", "takes a token"],
      ["ab d", "makes a token"],
      ["a b c", "is not two tokens"],
    ] as const) {
      await writeFile(join(own, "merges.txt"), `#version: 0.2\n${merge}\n`);
      await expect(readTokenizer(own)).rejects.toThrow(`merges.txt: line 2, "${merge}", ${fault}`);
    }
    await expect(readTokenizer(own, { vocabSize: 2 })).rejects.toThrow(/vocab\.json gives "abc" the id 2.*only 2 ids/);
  });

  test("names of an object's own are words like others", async () => {
    const own = join(folder, "proto");
    await mkdir(own);
    await writeFile(join(own, "vocab.json"), '{"__proto__": 0, "a": 1, "b": 2}');
    await writeFile(join(own, "merges.txt"), "#version: 0.2\n");
    const { vocab } = await readTokenizer(own);
    expect(Object.entries(vocab!)[0]).toEqual(["__proto__", 0]);
    expect(vocab?.["constructor"]).toBeUndefined();
    await rename(join(own, "vocab.json"), join(own, "old.json"));
    await writeFile(join(own, "vocab.json"), '{"a": -1}');
    await expect(readTokenizer(own)).rejects.toThrow(/gives "a" the id -1/);
  });
});
