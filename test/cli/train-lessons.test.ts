/** `inkling train vae|clip|gpt2|captioner` as processes: small models that learn in seconds, and what reads them then. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { decodePicture, encodePicture } from "../../src/image/index.ts";
import { expectOneMessage, type Finished, model, run, workingFolder } from "../support/binary.ts";

const work = workingFolder();

/** What is in the folder `pictures`, each of one colour. */
const colours = {
  "a red wall": [220, 40, 30],
  "a green field": [40, 180, 60],
  "the deep blue sea": [30, 60, 200],
  "yellow sand": [240, 220, 60],
} as const;

const recipes = {
  vae: {
    model: {
      vae: {
        block_out_channels: [8, 16],
        down_block_types: ["DownEncoderBlock2D", "DownEncoderBlock2D"],
        up_block_types: ["UpDecoderBlock2D", "UpDecoderBlock2D"],
        latent_channels: 4,
        norm_num_groups: 4,
      },
    },
    data: { shapes: { count: 20 } },
    size: 32,
    learningRate: 0.01,
  },
  clip: {
    model: {
      clip: {
        projection_dim: 16,
        text_config: {
          vocab_size: 8192,
          hidden_size: 16,
          intermediate_size: 32,
          num_hidden_layers: 1,
          num_attention_heads: 2,
          eos_token_id: 8191,
        },
        vision_config: {
          image_size: 16,
          patch_size: 8,
          hidden_size: 16,
          intermediate_size: 32,
          num_hidden_layers: 1,
          num_attention_heads: 2,
        },
      },
      tokenizer: "inkdrop-clip",
    },
    data: "./pictures",
    learningRate: 0.01,
  },
  gpt2: {
    model: {
      gpt2: { vocab_size: 8192, n_positions: 32, n_embd: 32, n_layer: 1, n_head: 2, eos_token_id: 8191 },
      tokenizer: "inkdrop-gpt2",
    },
    data: "./texts.txt",
    tokens: 12,
    learningRate: 0.02,
  },
} as const;

beforeEach(async () => {
  mkdirSync(work.path("pictures"));
  for (const [i, [caption, colour]] of Object.entries(colours).entries()) {
    const data = Uint8Array.from({ length: 3 * 20 * 16 }, (_, k) => colour[k % 3]!);
    writeFileSync(work.path("pictures", `${i}.png`), await encodePicture({ width: 20, height: 16, data }, "png"));
    writeFileSync(work.path("pictures", `${i}.txt`), caption);
  }
  writeFileSync(work.path("texts.txt"), `${Object.keys(colours).join("\n")}\n\n`);
  for (const [name, recipe] of Object.entries(recipes)) {
    const common = { learns: name, batch: 4, ema: 0.5, seed: 3 };
    writeFileSync(work.path(`${name}.json`), JSON.stringify({ ...common, ...recipe }));
  }
});

const plain = ["--threads", "1", "--json"];

function expectDone(done: Finished): void {
  expect(done.code, done.stderr).toBe(0);
}

const eventsOf = ({ stdout }: Finished): { type: string; loss: number; paths: string[] }[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

const lossesOf = (done: Finished): number[] =>
  eventsOf(done).flatMap(({ type, loss }) => (type === "step" ? [loss] : []));

/** Teaches `steps` steps in one go, and in two, which has to come to the same file; returns the losses. */
async function teach(args: readonly string[], steps: number, file: string): Promise<number[]> {
  const straight = await run(["train", ...args, "--out", "mine", "--steps", `${steps}`, ...plain], work);
  expectDone(straight);
  const half = Math.floor(steps / 2);
  expectDone(await run(["train", ...args, "--out", "halves", "--steps", `${half}`, ...plain], work));
  const rest = await run(
    ["train", args[0]!, "--resume", "--out", "halves", "--steps", `${steps}`, "-q", "--threads", "1"],
    work,
  );
  expect([rest.code, rest.stderr]).toEqual([0, ""]);
  expect(readFileSync(work.path("halves", file)).equals(readFileSync(work.path("mine", file)))).toBe(true);
  return lossesOf(straight);
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

describe("train vae", () => {
  it("teaches a fresh one, with sheets of what it gives back", async () => {
    const losses = await teach(["vae", "--config", "vae.json"], 60, "diffusion_pytorch_model.safetensors");
    expect(mean(losses.slice(-5))).toBeLessThan(0.6 * losses[0]!);
    const more = ["--steps", "61", "--samples-every", "61", "--resume", "--out", "mine", ...plain];
    const [sheet] = eventsOf(await run(["train", "vae", ...more], work)).flatMap(({ type, paths }) =>
      type === "sample" ? paths : [],
    );
    expect(sheet).toBe(work.path("mine", "samples", "step-000061.png"));
    const { width, height } = await decodePicture(readFileSync(sheet!), "sheet", "white");
    expect(width).toBeGreaterThan(4 * 32);
    expect(height).toBeGreaterThan(2 * 32);
  });

  it("writes a checkpoint with another VAE, which a discriminator judged from its third step on", async () => {
    const judge = ["--discriminator", "0.5", "--discriminator-start", "2", "--distance", "l2"];
    const args = ["vae", "--from", model, "--data", "pictures", "--size", "32", "--batch", "2", "--lr", "0.01"];
    const losses = await teach([...args, ...judge, "--seed", "1"], 4, "vae/diffusion_pytorch_model.safetensors");
    // The hinge loss of a judge that knows nothing is 1.
    expect(losses[2]! - losses[1]!).toBeGreaterThan(0.5);
    const [before, after] = [model, work.path("mine")].map((folder) =>
      readFileSync(`${folder}/vae/diffusion_pytorch_model.safetensors`),
    );
    expect(after!.equals(before!)).toBe(false);
    const draw = async (...which: readonly string[]): Promise<Uint8Array> => {
      const prompt = ["a house", "--size", "64", "--steps", "2", "--seed", "1", "-q", "-o", "-"];
      const done = await run([...prompt, ...which], work);
      expectDone(done);
      return (await decodePicture(done.bytes, "drawn", "white")).data;
    };
    const own = await draw("--model", "./mine");
    // Nothing but the VAE is another one.
    expect(await draw("--model", model, "--vae", "./mine")).toEqual(own);
    expect(await draw("--model", model)).not.toEqual(own);
  });
});

describe("train clip", () => {
  it("teaches a fresh one, which score asks then", async () => {
    const losses = await teach(["clip", "--config", "clip.json"], 40, "model.safetensors");
    expect(losses[0]).toBeCloseTo(Math.log(4), 0);
    expect(mean(losses.slice(-5))).toBeLessThan(0.2);
    const texts = Object.keys(colours);
    for (const [i, text] of texts.entries()) {
      const done = await run(["score", `pictures/${i}.png`, ...texts, "--clip", "./mine", "--json"], work);
      expectDone(done);
      const { scores } = JSON.parse(done.stdout) as { scores: { text: string; probability: number }[] };
      expect(scores.find((each) => each.text === text)!.probability).toBeGreaterThan(0.7);
    }
  });

  it("says that accumulated batches are told apart each by itself, and refuses one of a single pair", async () => {
    const args = ["train", "clip", "--config", "clip.json", "--steps", "1", "--out", "mine"];
    const two = await run([...args, "--accumulate", "2"], work);
    expectDone(two);
    expect(two.stderr).toContain("pairs are told apart within a batch of 4");
    const one = await run(
      ["train", "clip", "--config", "clip.json", "--steps", "1", "--out", "b", "--batch", "1"],
      work,
    );
    expect(one.code).toBe(1);
    expectOneMessage(one, "nothing to tell apart");
    expect(work.files()).not.toContain("b");
  });
});

describe("train gpt2", () => {
  it.each([
    ["in rows of their own", [], "the deep", "the deep blue sea"],
    // Each row is the same every time: the first one begins with the first text.
    ["packed", ["--packed"], "", "a red wall"],
  ] as const)("teaches a fresh one texts %s, which it writes then", async (_, how, beginning, whole) => {
    const losses = await teach(["gpt2", "--config", "gpt2.json", ...how], 60, "model.safetensors");
    expect(losses[0]).toBeCloseTo(Math.log(8192), 0);
    expect(mean(losses.slice(-5))).toBeLessThan(1);
    const done = await run(["write", beginning, "--model", "./mine", "-t", "0", "--max-length", "20", "-q"], work);
    expectDone(done);
    expect(done.stdout).toBe(`${whole}\n`);
  });

  it("learns what is said of pictures, and writes samples", async () => {
    const args = ["train", "gpt2", "--config", "gpt2.json", "--data", "pictures", "--steps", "2", "--out", "mine"];
    expectDone(await run([...args, "--samples-every", "2"], work));
    expect(readFileSync(work.path("mine", "samples", "step-000002.txt"), "utf8").trim()).not.toBe("");
  });

  it.each([
    [["--data", "none.txt"], "none.txt"],
    [["--data", "empty"], "There is no text in empty"],
    [["--tokens", "33"], "room for 32"],
    [["--config", "clip.json"], "is a recipe of `inkling train clip`"],
  ])("%j is refused", async (more, words) => {
    mkdirSync(work.path("empty"));
    const done = await run(["train", "gpt2", "--config", "gpt2.json", "--steps", "1", "--out", "a", ...more], work);
    expect(done.code, done.stderr).toBe(1);
    expectOneMessage(done, words);
    expect(work.files()).not.toContain("a");
  });
});

describe("train captioner", () => {
  it("teaches a mapping network alone, then with its GPT-2, and caption says what it has learnt", async () => {
    for (const [kind, steps] of [
      ["clip", 40],
      ["gpt2", 10],
    ] as const) {
      const done = await run(
        ["train", kind, "--config", `${kind}.json`, "--steps", `${steps}`, "--out", kind, "-q"],
        work,
      );
      expectDone(done);
    }
    const args = ["captioner", "--clip", "./clip", "--data", "pictures", "--lr", "0.02", "--seed", "1", "--ema", "0.5"];
    const fresh = [...args, "--from", "./gpt2", "--prefix", "4", "--tokens", "12"];
    const alone = await run(["train", ...fresh, "--steps", "20", "--out", "alone", ...plain], work);
    expectDone(alone);
    const first = lossesOf(alone);
    expect(mean(first.slice(-3))).toBeLessThan(first[0]!);
    // The GPT-2 is the one that it began with.
    const stored = (folder: string) => readFileSync(work.path(folder, "model.safetensors"));
    expect(stored("alone").equals(stored("gpt2"))).toBe(true);

    const both = [...args, "--from", "./alone", "--train-gpt2"];
    const losses = await teach(both, 60, "model.safetensors");
    expect(mean(losses.slice(-5))).toBeLessThan(0.3);
    expect(stored("mine").equals(stored("gpt2"))).toBe(false);
    for (const [i, caption] of Object.keys(colours).entries()) {
      const said = await run(["caption", `pictures/${i}.png`, "--captioner", "./mine", "--clip", "./clip"], work);
      expectDone(said);
      expect(said.stdout).toContain(caption);
    }
    const wrong = await run(
      ["train", ...both.filter((word) => word !== "--clip" && word !== "./clip"), "--steps", "1", "--out", "b"],
      work,
    );
    expect(wrong.code).toBe(1);
    expectOneMessage(wrong, "wants embeddings of 16 numbers", "gives 256");
  });
});
