/** `inkling train diffusion` as a process: what it writes can be drawn from. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it } from "vitest";
import { decodePicture, encodePicture } from "../../src/image/index.ts";
import { shapes } from "../../src/training/index.ts";
import { expectOneMessage, model, run, start, workingFolder } from "../support/binary.ts";
import { tinyRecipe as recipe } from "../support/tiny-recipe.ts";

const work = workingFolder();

const fromRecipe = ["train", "diffusion", "--config", "recipe.json"];
const UNET = "unet/diffusion_pytorch_model.safetensors";

beforeEach(() => writeFileSync(work.path("recipe.json"), JSON.stringify(recipe)));

/** A folder of two pictures with captions, and of one file that is none. */
async function pictures(): Promise<string> {
  const data = shapes({ count: 2, size: 40 });
  mkdirSync(work.path("pictures"));
  for (const i of [0, 1]) {
    const { picture, caption } = (await data.at(i)) as Extract<
      Awaited<ReturnType<typeof data.at>>,
      { caption: string }
    >;
    writeFileSync(work.path("pictures", `${i}.png`), await encodePicture(picture, "png"));
    writeFileSync(work.path("pictures", `${i}.txt`), caption);
  }
  writeFileSync(work.path("pictures", "broken.png"), "not a picture");
  writeFileSync(work.path("pictures", "broken.txt"), "nothing");
  return "pictures";
}

async function draw(folder: string, ...more: string[]): Promise<Buffer> {
  const done = await run(["a red circle", "--model", `./${folder}`, "--seed", "1", "-o", "-", "-q", ...more], work);
  expect(done.code, done.stderr).toBe(0);
  return done.bytes;
}

describe("train diffusion", () => {
  it("goes on from a checkpoint with a folder of pictures, the bad ones named and left out", async () => {
    const data = await pictures();
    const args = [
      "train",
      "diffusion",
      "--from",
      model,
      "--data",
      data,
      "--size",
      "32",
      "--steps",
      "3",
      "--batch",
      "2",
    ];
    const done = await run([...args, "--out", "mine", "--seed", "1", "--lr", "0.01", "--train-text-encoder"], work);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toBe(`${work.path("mine")}\n`);
    expect(done.said.filter((line) => line.includes("left out"))).toHaveLength(1);
    expect(done.stderr).toMatch(/left out: .*broken\.png/);
    const before = readFileSync(`${model}/${UNET}`);
    expect(readFileSync(work.path("mine", UNET)).equals(before)).toBe(false);
    const small = ["--size", "64", "--steps", "2"];
    const drawn = await decodePicture(await draw("mine", ...small), "drawn", "white");
    expect([drawn.width, drawn.height]).toEqual([64, 64]);
    expect(work.files("mine", "logs")).toHaveLength(1);

    const text = "text_encoder/model.safetensors";
    const alone = await run([...args, "--out", "alone", "--seed", "1", "--lr", "0.01", "-q"], work);
    expect(alone.code, alone.stderr).toBe(0);
    // The frozen text encoder is the checkpoint's own.
    expect(readFileSync(work.path("mine", text)).equals(readFileSync(work.path("alone", text)))).toBe(false);
    await draw("alone", ...small);
  });

  it("begins with fresh weights from a recipe, draws samples on its way, and gives the same model from the same seed", async () => {
    const samples = ["--samples-every", "2", "--sample", "a red circle", "--sample", "a blue star"];
    const first = await run([...fromRecipe, "--out", "a", "--json", ...samples], work);
    expect(first.code, first.stderr).toBe(0);
    const events = first.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string; step: number });
    const told = ["start", "step", "step", "sample", "step", "step", "checkpoint", "sample", "saved"];
    expect(events.map(({ type }) => type)).toEqual(told);
    expect(work.files("a", "samples")).toEqual(["step-000002.png", "step-000004.png"]);
    const second = await run([...fromRecipe, "--out", "b", "--quiet"], work);
    expect([second.code, second.stderr]).toEqual([0, ""]);
    expect(readFileSync(work.path("a", UNET)).equals(readFileSync(work.path("b", UNET)))).toBe(true);
    const drawn = await decodePicture(await draw("a"), "drawn", "white");
    expect([drawn.width, drawn.height]).toEqual([16, 16]);
  });

  it("saves and stops at Ctrl-C, and goes on to the very model that it would have come to", async () => {
    const running = start([...fromRecipe, "--out", "a", "--steps", "400", "--json", "--threads", "1"], work);
    await running.until('"step":3,');
    running.interrupt();
    const done = await running.finished;
    expect(done.code, done.stderr).toBe(130);
    expect(done.said.at(-1)).toBe("inkling: interrupted");
    const [checkpoint] = work.files("a").filter((name) => name.startsWith("checkpoint-"));
    const step = Number(checkpoint!.split("-")[1]);
    await draw("a");

    const more = ["--steps", `${step + 3}`, "--quiet", "--threads", "1"];
    const rest = await run(["train", "diffusion", "--resume", "--out", "a", ...more], work);
    expect([rest.code, rest.stderr]).toEqual([0, ""]);
    const straight = await run([...fromRecipe, "--out", "b", ...more], work);
    expect([straight.code, straight.stderr]).toEqual([0, ""]);
    expect(readFileSync(work.path("a", UNET)).equals(readFileSync(work.path("b", UNET)))).toBe(true);
  });

  it("in 16 bits is refused where the device has none, before anything is written", async () => {
    const done = await run([...fromRecipe, "--out", "mine", "--device", "cpu", "--precision", "float16"], work);
    expect(done.code, done.stderr).toBe(1);
    expectOneMessage(done, "Only webgpu computes in 16-bit floats, not cpu: take float32.");
    expect(work.files()).not.toContain("mine");
  });

  it.each([
    [[], 2, "add --out"],
    [["--out", "a"], 2, "add --data"],
    [["--out", "a", "--data", "pictures"], 2, "add --steps"],
    [["--out", "a", "--data", "pictures", "--steps", "1"], 2, "add --from"],
    [["--out", "a", "--data", "pictures", "--steps", "1", "--from", "inkdrop-256"], 1, "pictures"],
    [["--config", "none.json", "--out", "a"], 1, "none.json"],
    [["--config", "recipe.json", "--from", "inkdrop-256", "--out", "a"], 2, "two models"],
    [["--config", "recipe.json", "--out", "a", "--resume"], 1, "holds no checkpoint"],
    [["--config", "recipe.json", "--out", "."], 1, "is not empty"],
    [["--config", "wrong.json", "--out", "a"], 1, 'there is no key "stepz"'],
    [["--config", "recipe.json", "--out", "a", "--data", "shapes", "--size", "8192"], 2, "4096"],
    [["--config", "dark.json", "--out", "a", "--snr-gamma", "5"], 1, "no signal is left"],
  ] as const)("%j is refused before anything starts", async (args, code, words) => {
    writeFileSync(work.path("wrong.json"), JSON.stringify({ ...recipe, stepz: 1 }));
    const scheduler = { ...recipe.model.scheduler, prediction_type: "epsilon", rescale_betas_zero_snr: true };
    writeFileSync(work.path("dark.json"), JSON.stringify({ ...recipe, model: { ...recipe.model, scheduler } }));
    const done = await run(["train", "diffusion", ...args], work);
    expect(done.code, done.stderr).toBe(code);
    expectOneMessage(done, words);
    expect(work.files()).toEqual(["dark.json", "recipe.json", "wrong.json"]);
  });

  it("leaves the folder to the run that is there already", async () => {
    const running = start([...fromRecipe, "--out", "a", "--steps", "100000", "--save-every", "1", "--json"], work);
    await running.until('"type":"checkpoint"');
    const beside = await run(["train", "diffusion", "--resume", "--out", "a"], work);
    expect(beside.code).toBe(1);
    expectOneMessage(beside, `Another process (${running.child.pid}) trains in`);
    running.child.kill("SIGKILL");
    await running.finished;
    // What was killed is not there any more.
    const [latest] = work
      .files("a")
      .filter((name) => name.startsWith("checkpoint-"))
      .map((name) => Number(name.split("-")[1]))
      .sort((a, b) => b - a);
    const after = await run(["train", "diffusion", "--resume", "--out", "a", "--steps", `${latest! + 1}`, "-q"], work);
    expect([after.code, after.stderr]).toEqual([0, ""]);
    expect(work.files("a").filter((name) => name.endsWith(".tmp") || name === ".training")).toEqual([]);
  });

  it("does not take another run for the one that it goes on with", async () => {
    expect((await run([...fromRecipe, "--out", "a", "-q"], work)).code).toBe(0);
    const goOn = ["train", "diffusion", "--out", "a", "--resume", "--steps", "6"];
    const other = await run([...goOn, "--batch", "3"], work);
    expect(other.code).toBe(2);
    expectOneMessage(other, "was begun with batch 2, not 3");
    const again = await run([...fromRecipe, "--out", "a"], work);
    expect(again.code).toBe(1);
    expectOneMessage(again, "holds a run already, with 4 steps: --resume");
  });
});
