import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judged } from "../../src/pipelines/best-of.ts";
import {
  clipScore,
  type DrawnImage,
  type GenerateEvent,
  type Inkling,
  load,
  openClip,
  type ResolvedSettings,
} from "../../src/pipelines/index.ts";
import { plainWords } from "../../src/pipelines/words.ts";
import { moodyClip } from "../support/cli.ts";

describe("the words that a prompt is judged by", () => {
  test.each([
    ["a red apple", "a red apple"],
    ["two (red:1.3) [apples]", "two red apples"],
    ["a [cat:dog:0.5] on a mat", "a dog on a mat"],
    ["a cat BREAK a hat", "a cat a hat"],
    ["a cat AND a dog :0.5 AND a mouse :-1", "a cat, a dog"],
    ["\\(really\\)", "(really)"],
  ])("%j is %j", (prompt, words) => {
    expect(plainWords({ prompt, promptSyntax: "a1111", steps: 10 })).toBe(words);
  });

  test("in plain syntax they are the prompt; without any there is nothing to judge by", () => {
    expect(plainWords({ prompt: "two (red:1.3)", promptSyntax: "plain", steps: 10 })).toBe("two (red:1.3)");
    expect(() => plainWords({ prompt: " ", promptSyntax: "a1111", steps: 10 })).toThrow("no prompt");
  });
});

test("a score follows each picture, the best its last candidate; the first of equals", async () => {
  const settings = { prompt: "x", promptSyntax: "plain" } as ResolvedSettings;
  async function* events(): AsyncGenerator<GenerateEvent> {
    for (let picture = 0; picture < 6; picture++) {
      yield { type: "image", picture, settings: { ...settings, seed: 10 + picture } } as unknown as GenerateEvent;
    }
  }
  const seen: string[] = [];
  for await (const event of judged(events(), settings, { clip: moodyClip(), of: 3 })) {
    seen.push(
      event.type === "best" ? `best ${event.picture} seed ${event.seed} for ${event.candidateFor}` : event.type,
    );
  }
  const group = ["image", "score", "image", "score", "image", "score"];
  expect(seen).toEqual([...group, "best 1 seed 11 for 0", ...group, "best 4 seed 14 for 1"]);
  const even = { ...moodyClip(), embedPictures: async () => [Float32Array.of(0.5, 0, 0)] };
  const best: number[] = [];
  for await (const event of judged(events(), settings, { clip: even, of: 3 })) {
    if (event.type === "best") best.push(event.picture);
  }
  expect(best).toEqual([0, 3]);
});

describe("with the embedded models", () => {
  let inkling: Inkling;
  beforeAll(async () => {
    inkling = await load(undefined, { device: "cpu" });
  });
  afterAll(async () => inkling?.close());
  const drawing = { steps: 6, seed: 7 };

  test("generate gives the best of each, as it is drawn alone", async () => {
    const prompt = "two red apples on a white background";
    const small = { seed: 7, steps: 2, width: 64, height: 64 };
    const scores: number[] = [];
    for await (const event of inkling.stream({ ...small, prompt, bestOf: 2 })) {
      if (event.type === "score") scores.push(event.score);
    }
    const { images } = await inkling.generate({ ...small, prompt, bestOf: 2 });
    expect(scores.length).toBe(2);
    expect(images.length).toBe(1);
    expect(images[0]!.score).toBe(Math.max(...scores));
    expect(images[0]!.settings.seed).toBe(7 + scores.indexOf(Math.max(...scores)));
    expect(images[0]!.infotext).toMatch(/CLIP score: \d+\.\d\d, CLIP: inkdrop-clip, Candidate: [12] of 2/);
    const { images: alone } = await inkling.generate({ ...small, prompt, seed: images[0]!.settings.seed });
    expect(Buffer.from(images[0]!.data).equals(Buffer.from(alone[0]!.data))).toBe(true);
    expect(() => inkling.resolve({ prompt, bestOf: 101 })).toThrow("best of is 101");
    expect(() => inkling.resolve({ prompt: "", bestOf: 2 })).toThrow("no prompt");
  });

  test("a CLIP that is not here is told before anything is drawn", async () => {
    const seen: string[] = [];
    const run = async () => {
      const missing = fileURLToPath(new URL("./nowhere", import.meta.url));
      for await (const { type } of inkling.stream({ ...drawing, prompt: "x", bestOf: 2, clip: missing }))
        seen.push(type);
    };
    await expect(run()).rejects.toThrow("nowhere");
    expect(seen).toEqual([]);
  });

  test("of drawn pictures, the right words fit each best", async () => {
    const prompts = [
      "a lady with blue eyes",
      "a red apple on a white background",
      "a castle on a hill",
      "a yellow cat",
    ];
    const pictures: DrawnImage[] = [];
    for (const prompt of prompts) pictures.push(...(await inkling.generate({ ...drawing, prompt })).images);
    const clip = await openClip(undefined, { device: "cpu" });
    try {
      const words = await clip.embedTexts(prompts);
      const seen = await clip.embedPictures(pictures);
      for (const [i, text] of words.entries()) {
        const scores = seen.map((picture) => clipScore(picture, text));
        expect(scores.indexOf(Math.max(...scores)), `${prompts[i]}: ${scores}`).toBe(i);
      }
    } finally {
      await clip.close();
    }
  });
});
