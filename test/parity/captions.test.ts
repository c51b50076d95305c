/** The embedded captioner against transformers with the same dequantised weights (test/golden/captions.py). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeOn } from "../../src/language/index.ts";
import { type ClipCap, openClipCap } from "../../src/pipelines/clip-cap.ts";
import { type CaptionEvent, type Captioner, openCaptioner } from "../../src/pipelines/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { float32, joined, type Tensor } from "../../src/tensor/index.ts";
import { expectClose } from "../support/compare.ts";
import { need, readTensors } from "../support/fixtures.ts";

const golden = (name: string) => fileURLToPath(new URL(`../golden/${name}`, import.meta.url));
const stored = readTensors(golden("captions.safetensors"));
const said = JSON.parse(readFileSync(golden("captions.json"), "utf8")) as { ids: number[]; text: string }[];
const embeddings = rowsOf(need(stored, "embeddings"));
const TOLERANCE = { limit: 2e-5, per: "std" } as const;

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

function rowsOf({ data, shape }: Tensor): Float32Array[] {
  const width = data.length / shape[0]!;
  return Array.from({ length: shape[0]! }, (_, i) => (data as Float32Array).slice(i * width, (i + 1) * width));
}

describe("from transformers' embeddings", () => {
  let writer: ClipCap;
  beforeAll(async () => {
    writer = await openClipCap(undefined, runtime);
  });

  /** Of several pictures, side by side. */
  async function prefixes(count: number): Promise<Tensor<"float32">> {
    const rows = await Promise.all(embeddings.slice(0, count).map((embedding) => writer.prefix(embedding)));
    return float32([count, ...rows[0]!.shape.slice(1)], joined(Float32Array, ...rows.map(({ data }) => data)));
  }

  test("the prefix", async () => {
    const want = need(stored, "prefix");
    expectClose(await prefixes(want.shape[0]!), want, TOLERANCE.limit, { name: "prefix", per: TOLERANCE.per });
  });

  test("logits after the prefix, and after words that follow it", async () => {
    const [count, vocabulary] = need(stored, "logits.first").shape as [number, number];
    const reader = writer.read({ prefix: await prefixes(count) });
    const words = said.slice(0, count).map(({ ids }) => [writer.tokenizer.eosId, ...ids]);
    const at = (place: number) => reader.readOn(words.map((ids) => [ids[place]!]));
    const compare = (got: Float32Array, name: string) =>
      expectClose(float32([count, vocabulary], got), need(stored, name), TOLERANCE.limit, { name, per: TOLERANCE.per });
    compare(await at(0), "logits.first");
    for (let place = 1; place < 5; place++) await at(place);
    compare(await at(5), "logits.sixth");
    reader.close();
  });

  test("padding between the prefix and shorter words changes nothing", async () => {
    const [count, vocabulary] = need(stored, "logits.sixth").shape as [number, number];
    const reader = writer.read({ prefix: await prefixes(count) });
    // One text is read as far as the stored logits, the others only begin.
    const words = said.slice(0, count).map(({ ids }, i) => [writer.tokenizer.eosId, ...ids.slice(0, i === 1 ? 5 : 0)]);
    const got = await reader.readOn(words);
    reader.close();
    for (const [i, name] of ["logits.first", "logits.sixth", "logits.first"].entries()) {
      const row = got.slice(i * vocabulary, (i + 1) * vocabulary);
      expectClose(row, rowsOf(need(stored, name))[i]!, TOLERANCE.limit, { name: `${name}, ${i}`, per: TOLERANCE.per });
    }
  });

  test("greedy captions, eight side by side", async () => {
    const { eosId } = writer.tokenizer;
    const reader = writer.read({ prefix: await prefixes(said.length) });
    const written: number[][] = said.map(() => []);
    const options = { beginnings: said.map(() => [eosId]), maxLength: 61, eosId, generators: [], temperature: 0 };
    for await (const { text, id } of writeOn(reader.readOn, options)) if (id !== eosId) written[text]!.push(id);
    reader.close();
    expect(written).toEqual(said.map(({ ids }) => ids));
    expect(written.map((ids) => writer.tokenizer.decode(ids))).toEqual(said.map(({ text }) => text));
  });
});

describe("from the pictures", () => {
  let captioner: Captioner;
  beforeAll(async () => {
    captioner = await openCaptioner({ runtime });
  });
  const picture = (i: number) => golden(`captions/${i + 1}.png`);

  test.each(said.map(({ text }, i) => [i, text] as const))("%i: %s", async (i, text) => {
    const [caption, ...more] = await captioner.caption(picture(i));
    expect(caption!.text).toBe(text);
    expect(more).toEqual([]);
  });

  test("several captions differ, are the same from the same seed, and the one that fits best comes first", async () => {
    const settings = { count: 4, temperature: 1, seed: 3 };
    const captions = await captioner.caption(picture(0), settings);
    expect(new Set(captions.map(({ text }) => text)).size).toBe(4);
    const scores = captions.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    expect(await captioner.caption(picture(0), settings)).toEqual(captions);
    expect(await captioner.caption(picture(0), { ...settings, seed: 4 })).not.toEqual(captions);
  });

  test("the tokens that are told are the caption", async () => {
    const events: CaptionEvent[] = [];
    for await (const event of captioner.stream(picture(1))) events.push(event);
    const tokens = events.flatMap((event) => (event.type === "token" ? [event] : []));
    expect(tokens.map(({ id }) => id)).toEqual(said[1]!.ids);
    expect(tokens.map(({ piece }) => piece).join("")).toBe(said[1]!.text);
    const last = events.at(-1)!;
    expect(last.type === "captions" && last.captions[0]!.text).toBe(said[1]!.text);
  });

  test("no more tokens than allowed", async () => {
    const [caption] = await captioner.caption(picture(1), { maxLength: 3 });
    expect(caption!.text).toBe("a man with");
  });

  test.each([
    [{ count: 2, temperature: 0 }, /temperature 0 there is one caption/],
    [{ count: 0 }, /count is 0.*1 to 100/],
    [{ maxLength: 120 }, /max length is 120.*1 to 119/],
    [{ temperature: -1 }, /temperature is -1/],
    [{ seed: 0.5 }, /seed is 0.5/],
  ])("%j is refused", async (settings, why) => {
    await expect(captioner.caption(picture(0), settings)).rejects.toThrow(why);
  });
});
