/** `inkling tune` as a process: what it writes is drawn with `--lora`, `--embedding` and `--model`. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { encodePicture } from "../../src/image/index.ts";
import { type Example, shapes } from "../../src/training/index.ts";
import { readSafetensors, readTensor } from "../../src/weights/index.ts";
import { expectOneMessage, model, run, start, workingFolder } from "../support/binary.ts";

const work = workingFolder();
const LORA = "pytorch_lora_weights.safetensors";
const WORD = "learned_embeds.safetensors";
const UNET = "unet/diffusion_pytorch_model.safetensors";
const TEXT = "text_encoder/model.safetensors";

/** Three pictures, one of which has a caption of its own. */
beforeEach(async () => {
  const data = shapes({ count: 3, size: 40 });
  mkdirSync(work.path("pictures"));
  for (const i of [0, 1, 2]) {
    const { picture } = (await data.at(i)) as Example;
    writeFileSync(work.path("pictures", `${i}.png`), await encodePicture(picture, "png"));
  }
  writeFileSync(work.path("pictures", "0.txt"), "a red house by night");
});

const tuned = (out: string, ...more: string[]): string[] => {
  const what = ["tune", "--data", "pictures", "--from", model, "--out", out, "--seed", "1", "--threads", "1"];
  return [...what, "--size", "32", "--batch", "2", "--lr", "0.02", ...more];
};

async function done(...args: string[]) {
  const finished = await run(args, work);
  expect(finished.code, finished.stderr).toBe(0);
  return finished;
}

async function draw(prompt: string, ...more: string[]): Promise<Buffer> {
  const small = ["--size", "32", "--steps", "2", "--seed", "1", "-o", "-", "--format", "png"];
  return (await done(prompt, "--model", model, ...small, ...more)).bytes;
}

/** The pictures' own bytes: what a PNG says of its making differs. */
const pixels = (png: Buffer): string => png.subarray(png.indexOf("IDAT")).toString("base64");

/** The weights of a network in a run's folder: those of the model it began with, and others. */
async function compared(out: string, file: string): Promise<{ same: string[]; other: string[] }> {
  const [before, after] = await Promise.all([join(model, file), work.path(out, file)].map(readSafetensors));
  expect([...after!.tensors.keys()].sort()).toEqual([...before!.tensors.keys()].sort());
  const found = { same: [] as string[], other: [] as string[] };
  for (const [name, weight] of after!.tensors) {
    const [now, then] = [await readTensor(weight), await readTensor(before!.tensors.get(name)!)];
    found[`${now.data}` === `${then.data}` ? "same" : "other"].push(name);
  }
  return found;
}

describe("tune", () => {
  it("writes a LoRA that is drawn with --lora, and shows samples on its way", async () => {
    const args = tuned("cat", "--name", "sks cat", "--steps", "3", "--samples-every", "2", "--rank", "4");
    const { stdout, said } = await done(...args);
    expect(stdout).toBe(`${work.path("cat")}\n`);
    expect(said.join("\n")).toMatch(/pictures: 3 pictures/);
    expect(work.files("cat")).toContain(LORA);
    expect(work.files("cat", "samples")).toEqual(["step-000002.png"]);
    const file = work.path("cat", LORA);
    const { tensors, metadata } = await readSafetensors(file);
    expect([...tensors.keys()].every((name) => /^unet\..+\.to_(q|k|v|out\.0)\.lora_[AB]\.weight$/.test(name))).toBe(
      true,
    );
    expect(metadata.get("format")).toBe("pt");
    const prompt = "a photo of sks cat";
    const [without, on, off] = [
      await draw(prompt),
      await draw(prompt, "--lora", file),
      await draw(prompt, "--lora", `${file}:0`),
    ];
    expect(pixels(on)).not.toBe(pixels(without));
    expect(pixels(off)).not.toBe(pixels(on));
    // The model is where it was.
    expect(work.files("cat")).not.toContain("unet");
  });

  it("goes on from a checkpoint to the very bytes that it would have come to, stopped by Ctrl-C or not", async () => {
    const args = ["--name", "sks cat", "--train-text-encoder", "--targets", "transformers", "--format", "kohya"];
    const running = start(tuned("cat", ...args, "--steps", "200", "--json"), work);
    await running.until('"step":2,');
    running.interrupt();
    expect((await running.finished).code).toBe(130);
    const [checkpoint] = work.files("cat").filter((name) => name.startsWith("checkpoint-"));
    const steps = String(Number(checkpoint!.split("-")[1]) + 2);
    await done("tune", "--resume", "--out", "cat", "--steps", steps, "--threads", "1", "-q");
    await done(...tuned("whole", ...args, "--steps", steps, "-q"));
    const states = ["weights", "first_moment", "second_moment"].map(
      (state) => `checkpoint-${steps}/${state}.safetensors`,
    );
    for (const state of states) {
      expect(readFileSync(work.path("cat", state)).equals(readFileSync(work.path("whole", state))), state).toBe(true);
    }
    const { tensors, metadata } = await readSafetensors(work.path("cat", "cat.safetensors"));
    expect([...tensors.keys()].some((name) => name.startsWith("lora_te_text_model"))).toBe(true);
    expect(metadata.get("ss_network_dim")).toBe("8");
    expect(metadata.get("ss_output_name")).toBe("cat");
    // As A1111's users name it.
    const named = await draw("a photo of sks cat <lora:cat:1>", "--lora-folder", "cat");
    expect(pixels(named)).not.toBe(pixels(await draw("a photo of sks cat")));
  });

  it("learns along what the model drew before, which is drawn once", async () => {
    const prior = (out: string, count: number) => {
      const args = ["--name", "sks cat", "--steps", "2", "--rank", "2", "--prior", "a cat"];
      return done(...tuned(out, ...args, "--prior-pictures", `${count}`, "--prior-weight", "0.5"));
    };
    const first = await prior("cat", 2);
    expect(first.said.join("\n")).toMatch(/drawing 2 pictures of "a cat"/);
    const folder = work.path("..", ".cache", "inkling", "prior");
    const [one, ...others] = readdirSync(folder);
    expect([others, readdirSync(join(folder, one!))]).toEqual([[], ["000000.png", "000001.png"]]);
    const again = await prior("again", 2);
    expect(again.said.join("\n")).not.toMatch(/drawing/);
    expect(readFileSync(work.path("again", LORA)).equals(readFileSync(work.path("cat", LORA)))).toBe(true);
    expect((await prior("more", 3)).said.join("\n")).toMatch(/drawing 1 pictures/);
    expect(readdirSync(join(folder, one!))).toHaveLength(3);
    await done(...tuned("alone", "--name", "sks cat", "--steps", "2", "--rank", "2", "-q"));
    expect(readFileSync(work.path("alone", LORA)).equals(readFileSync(work.path("cat", LORA)))).toBe(false);
  });

  it.each([
    ["diffusers", WORD],
    ["kohya", "<ink>.safetensors"],
  ])("writes a new word that is drawn with --embedding: %s", async (format, file) => {
    const word = ["--textual-inversion", "--name", "<ink>", "--vectors", "2", "--init", "cat", "--format", format];
    await done(...tuned("ink", ...word, "--steps", "3", "-q"));
    expect(work.files("ink")).toContain(file);
    const embedding = ["--embedding", work.path("ink", file)];
    const [without, on, elsewhere] = [
      await draw("a <ink> lady"),
      await draw("a <ink> lady", ...embedding),
      await draw("a lady", ...embedding),
    ];
    expect(pixels(on)).not.toBe(pixels(without));
    expect(pixels(elsewhere)).toBe(pixels(await draw("a lady")));
  });

  it("teaches all weights of a model, with --full, from pictures without captions", async () => {
    rmSync(work.path("pictures", "0.txt"));
    const full = (out: string, steps: string, ...more: string[]) => {
      const args = ["--full", "--name", "sks cat", "--lr", "0.001", "--steps", steps];
      return done(...tuned(out, ...args, ...more));
    };
    const { stdout, said } = await full("cat", "2", "--samples-every", "2");
    expect(stdout).toBe(`${work.path("cat")}\n`);
    expect(said.join("\n")).toMatch(/pictures: 3 pictures/);
    expect(work.files("cat", "samples")).toEqual(["step-000002.png"]);
    expect((await compared("cat", UNET)).same).toEqual([]);
    expect((await compared("cat", TEXT)).other).toEqual([]);
    const prompt = "a photo of sks cat";
    const drawn = await draw(prompt, "--model", "./cat");
    expect(pixels(drawn)).not.toBe(pixels(await draw(prompt)));

    // What goes on comes to the very bytes, with the text encoder and what was drawn before learnt along.
    const along = ["--train-text-encoder", "--prior", "a cat", "--prior-pictures", "2", "-q"];
    await full("straight", "2", ...along);
    expect(readdirSync(work.path("..", ".cache", "inkling", "prior"))).toHaveLength(1);
    await full("resumed", "1", ...along);
    await done("tune", "--full", "--resume", "--out", "resumed", "--steps", "2", "--threads", "1", "-q");
    const bytes = (out: string, file: string) => readFileSync(work.path(out, file));
    for (const file of [UNET, TEXT]) {
      expect(bytes("resumed", file).equals(bytes("straight", file)), file).toBe(true);
      expect(bytes("straight", file).equals(bytes("cat", file)), file).toBe(false);
    }
  });

  it.each([
    [["--rank", "4", "--textual-inversion", "--name", "x"], 2, "--rank is of a LoRA"],
    [["--train-text-encoder", "--textual-inversion"], 2, "--train-text-encoder is of a LoRA"],
    [["--prior-pictures", "4"], 2, "add --prior"],
    [["--prior", "a cat", "--textual-inversion", "--name", "x"], 2, "--prior is of a LoRA"],
    [["--full", "--rank", "4"], 2, "--rank is of a LoRA, and --full makes none"],
    [["--full", "--targets", "attention"], 2, "--targets is of a LoRA"],
    [["--full", "--format", "kohya"], 2, "--full writes the model itself"],
    [["--full", "--vectors", "4"], 2, "--vectors needs --textual-inversion"],
    [["--full", "--textual-inversion", "--name", "x"], 2, "cannot be used with"],
    [["--full", "--prior-weight", "2"], 2, "add --prior"],
    [["--vectors", "4"], 2, "--vectors needs --textual-inversion"],
    [["--textual-inversion"], 2, "add --name"],
    [["--textual-inversion", "--name", "x", "--init", " "], 1, "no word to begin with"],
    [["--name", "x", "--data", "nowhere"], 1, "nowhere"],
    [["--name", "x", "--from", "nowhere"], 1, "nowhere"],
    [["--name", "x", "--size", "36"], 2, "multiples of 8"],
    [["--rank", "0"], 2, "--rank"],
    [["--targets", "everything"], 2, "--targets"],
  ] as const)("%j is refused before anything starts", async (args, code, words) => {
    const refused = await run(tuned("cat", "--steps", "2", ...args), work);
    expect(refused.code, refused.stderr).toBe(code);
    expectOneMessage(refused, words);
    expect(work.files()).toEqual(["pictures"]);
  });

  it("goes on with what was begun, not with something else", async () => {
    await done(...tuned("ink", "--textual-inversion", "--name", "ink", "--steps", "1", "-q"));
    const other = await run(["tune", "--resume", "--out", "ink", "--steps", "2"], work);
    expect(other.code).toBe(1);
    expectOneMessage(other, "recipe of `inkling tune --textual-inversion`, not of `inkling tune`");
    const train = await run(["train", "diffusion", "--resume", "--out", "ink", "--steps", "2"], work);
    expectOneMessage(train, "not of `inkling train diffusion`");
  });
});
