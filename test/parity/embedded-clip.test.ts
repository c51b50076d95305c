/** The embedded CLIP against transformers, which computed with the same multiplied-out weights (test/golden/embedded_clip.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clip, clipScore, cosine, openClip, textProbabilities } from "../../src/pipelines/index.ts";
import { expectClose, expectCloseStd } from "../support/compare.ts";

const at = (path: string): string => fileURLToPath(new URL(`../golden/${path}`, import.meta.url));
const golden = JSON.parse(readFileSync(at("embedded_clip.json"), "utf8")) as {
  texts: string[];
  pictures: string[];
  logit_scale: number;
  text_embeds: number[][];
  image_embeds: number[][];
};

let clip: Clip;
const notes: string[] = [];
beforeAll(async () => {
  clip = await openClip(undefined, { device: "cpu", onNote: (line) => notes.push(line) });
});
afterAll(async () => clip?.close());

test("texts are embedded as transformers embeds them; of one that is too long the beginning, with a note", async () => {
  const embeddings = await clip.embedTexts(golden.texts);
  expect(embeddings.length).toBe(golden.texts.length);
  for (const [i, want] of golden.text_embeds.entries()) expectCloseStd(embeddings[i]!, want, 2e-5, golden.texts[i]);
  expect(notes).toEqual([expect.stringMatching(/^A text is longer than the 77 tokens .*castle/)]);
});

test("pictures are embedded as transformers embeds them, from files, bytes and pixels, alone or among others", async () => {
  const paths = golden.pictures.map(at);
  const embeddings = await clip.embedPictures(paths);
  for (const [i, want] of golden.image_embeds.entries()) expectCloseStd(embeddings[i]!, want, 2e-5, paths[i]);
  const [fromBytes] = await clip.embedPictures([readFileSync(paths[1]!)]);
  expectClose(fromBytes!, embeddings[1]!, 1e-6);
  const many = await clip.embedPictures(Array.from({ length: 11 }, (_, i) => paths[i % paths.length]!));
  expect(many.length).toBe(11);
  for (const [i, embedding] of many.entries()) expectClose(embedding, embeddings[i % paths.length]!, 1e-6);
});

test("embeddings have unit length; scores are 100 cosines, probabilities their softmax", async () => {
  const [picture] = await clip.embedPictures([at(golden.pictures[0]!)]);
  const texts = await clip.embedTexts(golden.texts.slice(0, 2));
  expect(picture!.length).toBe(clip.dimension);
  for (const x of [picture!, ...texts]) expect(cosine(x, x)).toBeCloseTo(1, 6);
  expect(clip.logitScale).toBeCloseTo(golden.logit_scale, 4);
  const cosines = golden.text_embeds
    .slice(0, 2)
    .map((text) => text.reduce((sum, x, i) => sum + x * golden.image_embeds[0]![i]!, 0));
  for (const [i, text] of texts.entries()) expect(clipScore(picture!, text)).toBeCloseTo(100 * cosines[i]!, 3);
  expect(await clip.score(at(golden.pictures[0]!), golden.texts[0]!)).toBeCloseTo(100 * cosines[0]!, 3);
  const [first, second] = textProbabilities(picture!, texts, clip);
  expect(first! + second!).toBeCloseTo(1, 12);
  expect(Math.log(first! / second!)).toBeCloseTo(golden.logit_scale * (cosines[0]! - cosines[1]!), 4);
});

test("nothing to embed is no work, and an aborted signal is heard", async () => {
  expect(await clip.embedPictures([])).toEqual([]);
  expect(await clip.embedTexts([])).toEqual([]);
  const signal = AbortSignal.abort(new Error("enough"));
  await expect(clip.embedTexts(["x"], { signal })).rejects.toThrow("enough");
  await expect(clip.embedPictures([at(golden.pictures[0]!)], { signal })).rejects.toThrow("enough");
});

test("a folder of something else, and a model of another kind, are refused by name", async () => {
  const text = fileURLToPath(new URL("../../models/inkdrop-256/text_encoder", import.meta.url));
  await expect(openClip(text, { device: "cpu" })).rejects.toThrow(/text_encoder.*"clip_text_model"/);
  await expect(openClip("sd2.1", { device: "cpu" })).rejects.toThrow(/draws pictures; wanted .*compares/);
});
