import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ResolvedSettings, wildcardFolder } from "../../src/pipelines/index.ts";
import { picturePrompts } from "../../src/pipelines/picture-prompts.ts";
import { CpuGenerator, InputError } from "../../src/tensor/index.ts";
import { expandWildcards, hasWildcards, PromptError } from "../../src/text/index.ts";

const files: Record<string, string> = {
  color: "# warm ones first\nred\n\n  orange  \r\nblue\n",
  "animals/cats": "tabby\n",
  "animals/dogs": "poodle\n",
  "animals/wild/birds": "owl\n",
  hair_color: "__color__ hair\n",
  loop: "a __loop__\n",
  many: `${"__many2__ ".repeat(200)}\n`,
  many2: `${"__color__ ".repeat(200)}\n`,
  empty: "# nothing\n\n",
  lost: "__nowhere*__\n",
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inkling-wildcards-"));
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, `${name}.txt`);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  await writeFile(join(folder, "notes.md"), "no wildcard");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const expand = (text: string, seed = 1) => expandWildcards(text, { ...wildcardFolder(folder), seed });

async function refusal(text: string): Promise<Error> {
  const error: unknown = await expand(text).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(InputError);
  return error as Error;
}

test("names are files of the folder, without their ending", async () => {
  expect(await wildcardFolder(folder).names()).toEqual(Object.keys(files).sort());
});

test("the choices are torch's integers of the seed, one for each, from left to right", async () => {
  const options = ["red", "orange", "blue"];
  const seen = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const [a, b] = new CpuGenerator(seed).randint(0, 3, [2]) as [number, number];
    const text = await expand("a __color__ and a __color__.", seed);
    expect(text).toBe(`a ${options[a]} and a ${options[b]}.`);
    seen.add(text);
  }
  expect(seen.size).toBeGreaterThan(5);
});

test.each([
  ["no wildcard at all", /^no wildcard at all$/],
  ["snake_case and __ two", /^snake_case and __ two$/],
  ["__animals/cats__", /^tabby$/],
  ["__animals/*__", /^(tabby|poodle)$/],
  ["__animals/**__", /^(tabby|poodle|owl)$/],
  ["__**/birds__", /^owl$/],
  ["__c*r__", /^(red|orange|blue)$/],
  ["__hair_color__", /^(red|orange|blue) hair$/],
  ["__animals/cats____color__", /^tabby(red|orange|blue)$/],
  ["(__color__:1.2)", /^\((red|orange|blue):1\.2\)$/],
])("%s", async (text, expanded) => expect(await expand(text)).toMatch(expanded));

test("what asks for a wildcard is known without reading any", () => {
  expect(["__a__", "x __a/b*__ y", "a_b", "__", "____", "__ a __"].map(hasWildcards)).toEqual([
    ...[true, true, false, false, false, false],
  ]);
});

describe("refuses", () => {
  test.each(["../x", "animals/../../x", "/etc/passwd", "./color", "a//b", "..", "..\\x", "../*", "**/../*"])(
    "%s, which leads out of the folder",
    async (name) => {
      const error = await refusal(`a __${name}__`);
      expect(error).toBeInstanceOf(PromptError);
      expect(error).toMatchObject({ at: 2, message: expect.stringMatching(/may not leave the folder/) });
    },
  );

  test.each([
    ["a __colr__", /no wildcard __colr__ \(Did you mean __color__\?\)/],
    ["a __xyzzy__", /no wildcard __xyzzy__: .*xyzzy\.txt/],
    ["a __zoo/*__", /character 3, "__zoo\/\*__": no wildcard file/],
    ["__lost__", /__nowhere\*__, which "lost" asks for/],
    ["__empty__", /__empty__ has no options/],
    ["__loop__", /without end: loop → loop/],
    ["__many__", /without end/],
  ])("%s", async (text, message) => expect((await refusal(text)).message).toMatch(message));

  test("a folder that is not there", async () => {
    await expect(wildcardFolder(join(folder, "none")).names()).rejects.toThrow(/no folder of wildcards at .*none/);
  });
});

test("a wildcard that brings an adapter is refused, one beside an adapter is not", async () => {
  const wildcards = { names: async () => ["style"], read: async () => "ink <lora:ink:0.5>\n" };
  const settings = { negativePrompt: "", promptSyntax: "a1111", seed: 1, count: 1 } as ResolvedSettings;
  const draw = (more: Partial<ResolvedSettings>, from = wildcards) => picturePrompts({ ...settings, ...more }, from);
  await expect(draw({ prompt: "a cat, __style__" })).rejects.toThrow(/A wildcard brings an adapter .*--lora/);
  const words = "a cat, ink <lora:ink:0.5>";
  expect(await draw({ prompt: "a cat, __style__", promptSyntax: "plain" })).toMatchObject([{ prompt: words }]);
  const harmless = { ...wildcards, read: async () => "ink\n" };
  const beside = await draw({ prompt: "a cat, __style__ <lora:ink:0.5>" }, harmless);
  expect(beside).toMatchObject([{ prompt: words }]);
});
