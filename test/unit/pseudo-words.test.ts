/** Words learnt by textual inversion: how prompts name them, which files hold them, and what a picture says of them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addDrawingOptions, type DrawingOptions } from "../../src/cli/options.ts";
import { encodePicture } from "../../src/image/index.ts";
import { type GenerateSettings, type Inkling, load } from "../../src/pipelines/index.ts";
import { float32, InputError, type Tensor } from "../../src/tensor/index.ts";
import { chunkPrompt, createClipTokenizer, parseAttention, withPseudoWords } from "../../src/text/index.ts";
import { openPseudoWord, writeSafetensors } from "../../src/weights/index.ts";
import { runCli } from "../support/cli.ts";
import { countingRuntime } from "../support/counting-runtime.ts";
import { list, path, readJson, readTensors } from "../support/fixtures.ts";

const merges = readFileSync(new URL("../../assets/clip/merges.txt", import.meta.url), "utf8");

describe("in prompts", () => {
  const plain = createClipTokenizer({ merges });
  const first = plain.vocabSize;
  const tokenizer = withPseudoWords(
    plain,
    [
      { name: "ink", vectors: 2 },
      { name: "ink style", vectors: 1 },
      { name: "<cat>", vectors: 3 },
    ],
    first,
  );
  const [ink, style, cat] = [[first, first + 1], [first + 2], [first + 3, first + 4, first + 5]];
  const words = (text: string) => plain.encode(text).slice(1, -1);

  test.each([
    ["a house, ink, at night", [...words("a house,"), ...ink!, ...words(", at night")]],
    ["INK", ink],
    ["a pinkish thing, inkling", words("a pinkish thing, inkling")],
    ["an ink  style", [...words("an"), ...style!]],
    ["a <cat>, <cat>s and catalogues", [...words("a"), ...cat!, ...words(","), ...cat!, ...words("s and catalogues")]],
  ] as const)("%s", (text, ids) => expect(tokenizer.encode(text).slice(1, -1)).toEqual(ids));

  test("a row says them again", () => {
    expect(tokenizer.decode(tokenizer.row("a house of ink by night").ids)).toBe("a house of ink by night");
    expect(cat!.map(tokenizer.token)).toEqual(["<cat>", "<cat>_1", "<cat>_2"]);
    expect(tokenizer.token(5)).toBe(plain.token(5));
  });

  test("one of several vectors is never cut in two by the end of a row", () => {
    for (let before = 70; before < 76; before++) {
      const prompt = `${"word ".repeat(before)}(<cat>:1.2) end`;
      const rows = chunkPrompt(parseAttention(prompt), tokenizer);
      const own = rows.map(({ ids }) => ids.filter((id) => cat!.includes(id)));
      const at = before + 3 <= 75 ? 0 : 1;
      expect(own[at], prompt).toEqual(cat);
      expect(own.flat()).toHaveLength(3);
      const { ids, weights } = rows[at]!;
      expect(ids.map((id, i) => (cat!.includes(id) ? weights[i] : 0)).filter(Boolean)).toEqual([1.2, 1.2, 1.2]);
    }
  });
});

describe("in files", () => {
  const one = path("adapters", "tiny-sd15", "embedding-one.safetensors");
  const three = path("adapters", "tiny-sd15", "embedding-three.safetensors");
  const named = path("adapters", "tiny-sd15", "embedding-diffusers.safetensors");
  const pickles = list("bad", "pickle");
  const wish: GenerateSettings = { prompt: "a lady", seed: 1, steps: 2, width: 64, height: 64 };
  let inkling: Inkling;
  let folder = "";
  const { starting, sessions } = countingRuntime();
  const notes: string[] = [];

  beforeAll(async () => {
    inkling = await load(path("checkpoints", "tiny-sd15"), { starting, onNote: (line) => notes.push(line) });
    folder = await mkdtemp(join(tmpdir(), "inkling-words-"));
  });
  afterAll(async () => {
    await inkling.close();
    await rm(folder, { recursive: true });
  });

  async function draw(more: Partial<GenerateSettings>) {
    const { images } = await inkling.generate({ ...wish, ...more });
    return images[0]!;
  }
  const written = async (name: string, tensors: Record<string, Tensor>): Promise<string> => {
    await writeSafetensors(join(folder, name), tensors);
    return join(folder, name);
  };

  test("change the picture where they are named, and nowhere else; another one loads nothing", async () => {
    const without = await draw({ prompt: "a lady by ink" });
    const off = await draw({ prompt: "a lady by ink", embeddings: [{ file: one, name: "nobody" }] });
    expect(off.data).toEqual(without.data);
    expect(off.infotext).not.toContain("TI hashes");
    const loaded = sessions();
    const on = await draw({ prompt: "a lady by ink", embeddings: [{ file: one, name: "ink" }] });
    const other = await draw({ prompt: "a lady by ink", embeddings: [{ file: three, name: "ink" }] });
    const heavier = await draw({ prompt: "a lady by (ink:1.4)", embeddings: [{ file: one, name: "ink" }] });
    const edited = await draw({ prompt: "a lady by [pen:ink:1]", embeddings: [{ file: one, name: "ink" }] });
    expect(sessions()).toBe(loaded);
    const pictures = [without, on, other, heavier, edited].map(({ data }) => Buffer.from(data).toString("base64"));
    expect(new Set(pictures).size).toBe(5);
  });

  test("are called as the file is, as the tensor is, or as one likes", async () => {
    const vector = readTensors(named).get("<ink>")!;
    const file = await written("brush.safetensors", { emb_params: float32([1, 24], vector.data as Float32Array) });
    notes.length = 0;
    const a1111 = await draw({ prompt: "a brush lady", embeddings: [{ file }] });
    expect(notes.filter((line) => line.includes("is called"))).toEqual([]);
    const diffusers = await draw({ prompt: "a <ink> lady", embeddings: [{ file: named }] });
    expect(notes).toContain("In prompts, embedding-diffusers.safetensors is called <ink>.");
    const own = await draw({ prompt: "a pen lady", embeddings: [{ file: named, name: "pen" }] });
    expect(diffusers.data).toEqual(a1111.data);
    expect(own.data).toEqual(a1111.data);
  });

  test("stand in the picture as A1111 writes them, those that were used", async () => {
    const embeddings = [{ file: one, name: "x: y" }, { file: three }, { file: named }];
    const { infotext } = await draw({ prompt: "a <ink> lady", negativePrompt: "x: y", embeddings });
    const hash = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex").slice(0, 12);
    expect(infotext).toContain(`TI hashes: "x y: ${hash(one)}, <ink>: ${hash(named)}"`);
  });

  test("are refused with a reason", async () => {
    const narrow = float32([2, 8], new Float32Array(16));
    const several = { emb_params: narrow, other: narrow };
    await copyFile(one, join(folder, "ink.safetensors"));
    await writeFile(join(folder, "ink.pt"), readFileSync(path("bad", "pickle", pickles[0]!)));
    const refusals: [Parameters<typeof draw>[0]["embeddings"], RegExp][] = [
      [[{ file: path("adapters", "tiny-sd21-v", "embedding-one.safetensors") }], /vectors of 32 numbers.*has 24/],
      [[{ file: await written("two.safetensors", several) }], /two\.safetensors holds 2 tensors/],
      [[{ file: await written("xl.safetensors", { clip_g: narrow, clip_l: narrow }) }], /SDXL/],
      [[{ file: await written("empty.safetensors", {}) }], /holds no tensors/],
      [[{ file: await written("cube.safetensors", { x: float32([1, 1, 24], new Float32Array(24)) }) }], /no embedding/],
      [
        [{ file: await written("long.safetensors", { x: float32([76, 24], new Float32Array(76 * 24)) }) }],
        /room for 75/,
      ],
      [
        [{ file: await written("nan.safetensors", { x: float32([24], new Float32Array(24).fill(NaN)) }) }],
        /not finite/,
      ],
      [[{ file: one, name: "ink" }, { file: join(folder, "ink.safetensors") }], /both called "ink"/],
      [[{ file: one, name: " " }], /needs a name/],
      [[{ file: join(folder, "ink.pt") }], /ink\.pt is a pickled.*run any program.*\.safetensors/],
      [[{ file: "nowhere.safetensors" }], /nowhere\.safetensors does not exist/],
    ];
    for (const [embeddings, words] of refusals) await expect(draw({ embeddings })).rejects.toThrow(words);
  });
});

test("no broken file is taken for one", async () => {
  const cases = readJson<{ file: string; must: string }[]>("bad", "cases.json");
  const broken = cases.filter(({ file, must }) => file.startsWith("safetensors/") && must === "reject");
  expect(broken.length).toBeGreaterThan(20);
  for (const { file } of broken) {
    const opening = openPseudoWord(path("bad", file), undefined, { model: "m", width: 2, most: 75 });
    await expect(opening, file).rejects.toThrow(InputError);
  }
});

describe("the command line", () => {
  test("collects files with their words", () => {
    const args = ["a.safetensors", "ink=b.safetensors", "./c=d.safetensors"].flatMap((file) => ["--embedding", file]);
    const { embedding } = addDrawingOptions(new Command()).parse(args, { from: "user" }).opts<DrawingOptions>();
    expect(embedding).toEqual([
      { file: "a.safetensors" },
      { name: "ink", file: "b.safetensors" },
      { file: "./c=d.safetensors" },
    ]);
  });

  test("has those of the config file at hand, with --from where the picture was drawn with some", async () => {
    const folder = await mkdtemp(join(tmpdir(), "inkling-words-"));
    const [config, output] = [join(folder, "c.json"), join(folder, "out.png")];
    await writeFile(config, JSON.stringify({ defaults: { embeddings: { brush: "./words/b.safetensors" } } }));
    const atHand = { name: "brush", file: join(folder, "words", "b.safetensors") };
    const wished = async (...args: string[]) => {
      const { asked, stderr } = await runCli([...args, "--config-file", config, "-o", output, "--overwrite", "-q"]);
      return { embeddings: asked[0]?.embeddings, stderr };
    };
    const grey = { width: 8, height: 8, data: new Uint8Array(192).fill(90) };
    const from = async (more: string) => {
      const infotext = `a house\nSteps: 9, CFG scale: 4.5, Seed: 77, Size: 32x48, RNG: CPU${more}`;
      await writeFile(join(folder, "a.png"), await encodePicture(grey, "png", infotext));
      return ["--from", join(folder, "a.png")];
    };
    expect((await wished("a house")).embeddings).toEqual([atHand]);
    expect((await wished("a house", "--embedding", "x.safetensors")).embeddings).toEqual([
      { file: "x.safetensors" },
      atHand,
    ]);
    expect((await wished(...(await from("")))).embeddings).toBeUndefined();
    expect((await wished(...(await from(', TI hashes: "brush: 0123456789ab"')))).embeddings).toEqual([atHand]);
    const bare = await runCli([...(await from(', TI hashes: "brush: 0123456789ab"')), "-o", output, "--overwrite"]);
    expect(bare.stderr).toMatch(/what is not taken over \(TI hashes\)/);
    await rm(folder, { recursive: true });
  });
});
