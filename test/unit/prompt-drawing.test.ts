/** What the syntax does to pictures, on a tiny checkpoint. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type EmbeddingsEvent,
  type GenerateSettings,
  type Inkling,
  load,
  type StepEvent,
  type TokensEvent,
} from "../../src/pipelines/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectCloseStd } from "../support/compare.ts";
import { exists, list, path, readJson } from "../support/fixtures.ts";

const small = { width: 64, height: 64, steps: 4, seed: 7, guidance: 5, sampler: "Euler" };
const long = `${"a lady with blue eyes, ".repeat(20)}`;

let inkling: Inkling;
/** Rows of 75 tokens that the long prompt takes. */
let longRows: number;
beforeAll(async () => {
  inkling = await load(plainCheckpoint.folder, { device: "cpu", threads: 1 });
  longRows = (await draw(long, { steps: 1 })).tokens[0]!.cond.shape[0]!;
  expect(longRows).toBeGreaterThan(1);
});
afterAll(() => inkling.close());

interface Walked {
  readonly tokens: TokensEvent[];
  readonly embeddings: EmbeddingsEvent[];
  readonly latents: Float32Array[];
  readonly prompts: string[];
}

async function draw(prompt: string, settings: Partial<GenerateSettings> = {}, by = inkling): Promise<Walked> {
  const walked: Walked = { tokens: [], embeddings: [], latents: [], prompts: [] };
  for await (const event of by.stream({ ...small, ...settings, prompt })) {
    if (event.type === "tokens") walked.tokens.push(event);
    if (event.type === "embeddings") walked.embeddings.push(event);
    if (event.type === "step") walked.latents.push((event satisfies StepEvent).latents.data);
    if (event.type === "image") walked.prompts.push(event.settings.prompt);
  }
  return walked;
}

const last = ({ latents }: Walked): Float32Array => latents.at(-1)!;

test("a weight changes the picture, one of 1 does not, and each emphasis does it in its own way", async () => {
  const plain = await draw("a lady with blue eyes");
  expect(last(await draw("a lady with (blue:1) eyes"))).toEqual(last(plain));
  expect(last(await draw("a lady with (blue:1.3) eyes", { emphasis: "off" }))).toEqual(last(plain));
  const weighted = [];
  for (const emphasis of ["original", "no-norm", "from-empty"] as const) {
    weighted.push(last(await draw("a lady with (blue:1.3) eyes", { emphasis })));
  }
  // One row: the mean over all rows is the mean over this one.
  expect(last(await draw("a lady with (blue:1.3) eyes", { emphasis: "joined" }))).toEqual(weighted[0]);
  const different = new Set([last(plain), ...weighted].map(String));
  expect(different.size).toBe(4);
});

test("plain syntax takes brackets for words and cuts after one row", async () => {
  const settings = { promptSyntax: "plain" } as const;
  const { tokens, latents } = await draw("a (cat:1.3)", settings);
  expect(tokens[0]!.cond).not.toEqual((await draw("a (cat:1.3)")).tokens[0]!.cond);
  expect(latents.length).toBe(4);
  const cut = (await draw(long, settings)).tokens[0]!;
  expect(cut.cond.shape).toEqual([1, 77]);
  expect(cut.dropped).not.toBe("");
});

describe("editing", () => {
  test("[a:b:0.5] is a until half and b from then on", async () => {
    const [a, b, edited] = [await draw("a cat"), await draw("a dog"), await draw("a [cat:dog:0.5]")];
    expect(edited.latents.slice(0, 2)).toEqual(a.latents.slice(0, 2));
    expect(edited.latents[2]).not.toEqual(a.latents[2]);
    expect(edited.latents[3]).not.toEqual(b.latents[3]);
    expect(edited.tokens[0]!.texts.map(({ of, until, text }) => [of, until, text])).toEqual([
      ["cond", 2, "a cat"],
      ["cond", 4, "a dog"],
      ["uncond", 4, ""],
    ]);
    expect(last(await draw("a [cat:dog:0]"))).toEqual(last(b));
  });

  test.each(["Heun", "PNDMScheduler", "DPM fast"])("counts solver steps with %s", async (sampler) => {
    const steps = 6;
    const [a, edited] = [await draw("a cat", { sampler, steps }), await draw("a [cat:dog:0.5]", { sampler, steps })];
    const first = edited.latents.findIndex((latents, i) => String(latents) !== String(a.latents[i]));
    // Two calls a step but for the last; the first step taken twice; one call a step.
    expect(first).toBe({ Heun: 6, PNDMScheduler: 4, "DPM fast": 3 }[sampler]);
  });

  test("an alternation takes turns, in the negative prompt too", async () => {
    const a = await draw("a house", { negativePrompt: "a cat" });
    const both = await draw("a house", { negativePrompt: "a [cat|dog]" });
    expect(both.latents[0]).toEqual(a.latents[0]);
    expect(both.latents[1]).not.toEqual(a.latents[1]);
    expect(both.tokens[0]!.texts.filter(({ of }) => of === "uncond").map(({ text }) => text)).toEqual([
      ...["a cat", "a dog", "a cat", "a dog"],
    ]);
  });

  test("texts of different lengths get as many rows", async () => {
    const { tokens } = await draw(`[a cat:${long}:0.5]`);
    const rows = tokens[0]!.texts.map(({ of, ids }) => [of, ids.shape[0]]);
    expect(rows).toEqual([
      ["cond", longRows],
      ["cond", longRows],
      ["uncond", 1],
    ]);
  });
});

test("prompts of any length draw, beside a negative one of another length", async () => {
  const { tokens, embeddings, latents } = await draw(long);
  expect(tokens[0]!.cond.shape).toEqual([longRows, 77]);
  expect(tokens[0]!.dropped).toBe("");
  expect([embeddings[0]!.cond.shape[1], embeddings[0]!.uncond!.shape[1]]).toEqual([longRows * 77, 77]);
  expect(last(await draw(`${long} a house`))).not.toEqual(latents.at(-1));
  expect(last(await draw("a cat BREAK a dog"))).not.toEqual(last(await draw("a cat a dog")));
});

describe("composition", () => {
  test("is the sum of what each part pulls", async () => {
    const cat = await draw("a cat");
    expect(last(await draw("a cat AND a dog :0"))).toEqual(last(cat));
    expectCloseStd(last(await draw("a cat :0.25 AND a cat :0.75")), last(cat), 1e-4);
    expect(last(await draw("a cat AND a dog"))).not.toEqual(last(cat));
    // Twice the pull is twice the scale.
    expectCloseStd(last(await draw("a cat AND a cat")), last(await draw("a cat", { guidance: 10 })), 1e-4);
  });

  test("compares with the negative prompt at guidance 1 too, and parts may differ in length", async () => {
    const { tokens } = await draw("a cat AND a dog :0.5", { guidance: 1 });
    expect(tokens[0]!.uncond).toBeDefined();
    const { embeddings } = await draw(`a cat AND ${long}`);
    expect(embeddings[0]!.texts.map(({ embedding }) => embedding.shape[1])).toEqual([77, longRows * 77, 77]);
  });

  test("looks at the negative prompt, and says that others do not at guidance 1", async () => {
    const notes: string[] = [];
    const noting = await load(plainCheckpoint.folder, {
      device: "cpu",
      threads: 1,
      onNote: (line) => notes.push(line),
    });
    try {
      const settings = { guidance: 1, steps: 1, negativePrompt: "a dog" };
      await draw("a cat", settings, noting);
      expect(notes).toEqual([expect.stringContaining("not looked at")]);
      await draw("a cat AND a house", settings, noting);
      expect(notes.length).toBe(1);
    } finally {
      await noting.close();
    }
  });

  test("works where the guidance is an input of the U-Net", async () => {
    const name = list("checkpoints").find((folder) => {
      const file = ["checkpoints", folder, "unet", "config.json"];
      const config = exists(...file) ? readJson<Record<string, unknown>>(...file) : {};
      return typeof config["time_cond_proj_dim"] === "number";
    });
    const distilled = await load(path("checkpoints", name!), { device: "cpu", threads: 1 });
    try {
      const settings = { sampler: undefined, steps: 2 };
      const cat = await draw("a cat", settings, distilled);
      expect(cat.tokens[0]!.uncond).toBeUndefined();
      expectCloseStd(last(await draw("a cat :0.5 AND a cat :0.5", settings, distilled)), last(cat), 1e-4);
      expect(last(await draw("a [cat:dog:1]", settings, distilled))).not.toEqual(last(cat));
    } finally {
      await distilled.close();
    }
  });
});

describe("wildcards", () => {
  const wildcards = {
    names: async () => ["animal"],
    read: async () => "cat\ndog\nbird\nfish\n",
  };

  test("are chosen for each picture by its own seed", async () => {
    const settings = { wildcards, steps: 1, negativePrompt: "a __animal__" };
    const { prompts, tokens } = await draw("a __animal__", { ...settings, count: 6 });
    expect(new Set(prompts).size).toBeGreaterThan(1);
    expect(tokens.length).toBe(6);
    expect((await draw("a __animal__", { ...settings, seed: small.seed + 4 })).prompts).toEqual([prompts[4]]);
  });

  test("what was typed and what was drawn stand in the picture", async () => {
    const { images } = await inkling.generate({ ...small, steps: 1, prompt: "a __animal__", wildcards });
    const [{ infotext, settings }] = images as [(typeof images)[0]];
    expect(settings.prompt).toMatch(/^a (cat|dog|bird|fish)$/);
    expect(infotext.split("\n")[0]).toBe(settings.prompt);
    expect(infotext).toContain("Wildcard prompt: a __animal__");
    expect(infotext).not.toContain("Wildcard negative prompt");
  });

  test("a prompt without a source keeps its underscores; an expanded one is looked at", async () => {
    expect((await draw("a __animal__", { steps: 1 })).prompts).toEqual(["a __animal__"]);
    const wrong = { ...wildcards, read: async () => "(cat:1e999)\n" };
    await expect(draw("a __animal__", { wildcards: wrong })).rejects.toThrow(/The prompt is wrong at character 8/);
  });
});

test("numbers that make no sense are refused when settings are", () => {
  expect(() => inkling.resolve({ prompt: "(a:1e999)" })).toThrow(/character 4/);
  expect(() => inkling.resolve({ prompt: "a", negativePrompt: "[b:-1]" })).toThrow(/negative prompt is wrong/);
  expect(() => inkling.resolve({ prompt: "(a:1e999)", promptSyntax: "plain" })).not.toThrow();
  expect(() => inkling.resolve({ prompt: "a", emphasis: "loud" as "off" })).toThrow(/emphasis is "loud"/);
});
