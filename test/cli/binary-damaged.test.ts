/** The built command with weights and pictures that are damaged or missing. */
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { byteWidth, type Tensor } from "../../src/tensor/index.ts";
import { readSafetensors, readTensor, writeSafetensors } from "../../src/weights/index.ts";
import { expectOneMessage, model, run, workingFolder } from "../support/binary.ts";
import { TEXT, UNET, VAE } from "../support/checkpoints.ts";

const work = workingFolder();

describe("damaged weights: exit code 1, one message that names the file, never a picture", () => {
  const broken = (...parts: string[]): string => work.path("broken", ...parts);

  async function expectNamed(...words: string[]): Promise<void> {
    const args = ["a house", "--model", "broken", "--size", "64", "--steps", "2", "--quiet", "-o", "pictures/"];
    const done = await run(args, work);
    expect(done.code, done.stderr).toBe(1);
    expectOneMessage(done, ...words);
    expect(work.files("pictures")).toEqual([]);
  }

  /** Rewrites a weight file of the copy with some of its tensors changed; undefined takes one out. */
  async function change(file: string, edit: (tensors: Record<string, Tensor>) => void): Promise<void> {
    const { tensors: stored } = await readSafetensors(broken(file));
    const tensors: Record<string, Tensor> = {};
    for (const [name, tensor] of stored) tensors[name] = await readTensor(tensor);
    edit(tensors);
    rmSync(broken(file));
    await writeSafetensors(broken(file), tensors);
  }

  // Fixtures that repeat are links to each other: what is damaged here must be copies.
  beforeEach(() => cpSync(model, broken(), { recursive: true, dereference: true }));

  it.each([UNET, VAE, TEXT])("%s is missing", async (file) => {
    rmSync(broken(file));
    await expectNamed(file.slice(0, file.indexOf("/")));
  });

  it.each([UNET, VAE, TEXT])("%s ends too early", async (file) => {
    const bytes = readFileSync(broken(file));
    writeFileSync(broken(file), bytes.subarray(0, bytes.length - 1000));
    await expectNamed(file.slice(file.indexOf("/") + 1));
  });

  it.each([
    ["empty", Buffer.alloc(0)],
    ["text", Buffer.from("<!DOCTYPE html><title>Sign in</title>")],
    ["a pickle", Buffer.from("\x80\x02}q\x00.", "latin1")],
    ["noise", Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256))],
  ])("the U-Net's file is %s", async (_, bytes) => {
    writeFileSync(broken(UNET), bytes);
    await expectNamed("diffusion_pytorch_model.safetensors");
  });

  it("a tensor is missing", async () => {
    await change(UNET, (tensors) => delete tensors["conv_in.weight"]);
    await expectNamed(UNET, "conv_in.weight");
  });

  it("a tensor has another shape", async () => {
    await change(UNET, (tensors) => {
      const { dtype, shape, data } = tensors["conv_in.weight"]!;
      tensors["conv_in.weight"] = { dtype, shape: [shape[1]!, shape[0]!, ...shape.slice(2)], data } as Tensor;
    });
    await expectNamed(UNET, "conv_in.weight");
  });

  it("the configuration is of another size", async () => {
    const config = JSON.parse(readFileSync(broken("unet/config.json"), "utf8")) as { block_out_channels: number[] };
    config.block_out_channels = config.block_out_channels.map((c) => 2 * c);
    writeFileSync(broken("unet/config.json"), JSON.stringify(config));
    await expectNamed(UNET);
  });

  it("the configuration is no JSON", async () => {
    writeFileSync(broken("unet/config.json"), "{");
    await expectNamed(join("unet", "config.json"));
  });

  const poisons: readonly [file: string, tensor: string, value: number][] = [
    [UNET, "conv_out.bias", Number.NaN],
    [UNET, "conv_in.weight", Number.POSITIVE_INFINITY],
    [VAE, "decoder.conv_in.weight", Number.NaN],
    [TEXT, "text_model.final_layer_norm.bias", Number.NaN],
  ];
  it.each(poisons)("%s holds in %s a %d", async (file, name, value) => {
    await change(file, (tensors) => {
      const tensor = tensors[name]!;
      expect(byteWidth(tensor.dtype)).toBe(4);
      (tensor.data as Float32Array)[1] = value;
    });
    await expectNamed(file, name, Number.isNaN(value) ? "NaN" : "infinity");
  });

  it("a picture of zeros is no PNG to start from", async () => {
    writeFileSync(work.path("zeros.png"), new Uint8Array(1000));
    const done = await run(["--from", "zeros.png"], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, "zeros.png");
  });

  it.each([
    ["a name", ["--model", "sd2.11"], "sd2.1"],
    ["a path", ["--model", "./nowhere"], "nowhere"],
    ["a model that is not here", ["--model", "sd2.1"], "nothing is downloaded"],
  ])("%s that leads nowhere", async (_, args, word) => {
    const done = await run(["a house", ...args], work);
    expect(done.code).toBe(1);
    expectOneMessage(done, word);
  });
});
