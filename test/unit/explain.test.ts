/** What the explanations are computed by: on numbers that are known, and on a tiny checkpoint. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BackStep,
  enlarged,
  explainedRun,
  findWords,
  groupPlane,
  heatMap,
  LEARNT,
  latentsOf,
  layerGroups,
  likeness,
  lookAt,
  nextTokens,
  noiseCurve,
  noised,
  overlaid,
  type Plane,
  peakOf,
  promptWords,
  textDrawing,
  tokensInSpace,
  unetDrawing,
  wayBack,
  wordPlane,
} from "../../src/explain/index.ts";
import { type Inkling, load, openLanguageModel } from "../../src/pipelines/index.ts";
import { createGenerator, float32, InputError, int64, sizeOf } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectClose } from "../support/compare.ts";
import { readTensors } from "../support/fixtures.ts";

let inkling: Inkling;
beforeAll(async () => {
  inkling = await load(plainCheckpoint.folder, { device: "cpu", threads: 1 });
});
afterAll(() => inkling.close());

const plane = (width: number, data: readonly number[]): Plane => ({
  width,
  height: data.length / width,
  data: Float32Array.from(data),
});

describe("planes", () => {
  it.each([
    // torch 2.9's interpolate(mode="bicubic") of the same numbers.
    {
      from: plane(2, [1, 2, 3, 5]),
      to: plane(
        4,
        [
          0.7300755381584167, 1.0332846641540527, 1.532688021659851, 1.8358972072601318, 1.841796875, 2.33984375,
          3.16015625, 3.658203125, 2.9535183906555176, 3.6464028358459473, 4.787624835968018, 5.480509281158447,
        ],
      ),
    },
    {
      from: plane(4, [1, 2, 0, 4]),
      to: plane(
        7,
        [
          0.9007840156555176, 1.4637393951416016, 2.035167694091797, 0.7187497615814209, 0.13648104667663574,
          2.514030694961548, 4.3968658447265625,
        ],
      ),
    },
  ])(
    "of $from.width × $from.height become $to.width × $to.height as torch's bicubic interpolation has it",
    ({ from, to }) => {
      const { data, ...size } = enlarged(from, to);
      expect(size).toEqual({ width: to.width, height: to.height });
      // torch's places are float32 numbers.
      expectClose(data, to.data, 3e-6);
    },
  );

  it("tell where their peak is", () => {
    expect(peakOf(plane(3, [0, 1, 2, 3, 9, 9]))).toEqual({ x: 1, y: 1 });
  });

  it("are laid over a picture, the most of them light and the least dark", () => {
    const white = { width: 4, height: 2, data: new Uint8Array(24).fill(255) };
    const { data } = overlaid(white, plane(2, [0, 5]));
    expect([...data.slice(0, 3)]).toEqual([102, 102, 104]);
    expect([...data.slice(9, 12)]).toEqual([253, 254, 217]);
  });
});

describe("heat maps", () => {
  /** 2 × 2 places, 3 tokens. */
  const coarse = float32([2, 2, 3], [0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0.5, 0.5]);
  const fine = float32([4, 4, 3], createGenerator("cpu", 1).randn([4, 4, 3]));
  const maps = { "down.attn2": fine, "mid.attn2": coarse, "up.attn2": fine };

  it("of a word of several tokens are their mean", () => {
    expect([...wordPlane(coarse, [1]).data]).toEqual([1, 0, 0, 0.5]);
    expect([...wordPlane(coarse, [1, 2]).data]).toEqual([0.5, 0.5, 0, 0.5]);
  });

  it("come in groups of one size, the largest first", () => {
    const groups = layerGroups(maps);
    expect(groups.map(({ name, layers }) => [name, layers])).toEqual([
      ["4×4", ["down.attn2", "up.attn2"]],
      ["2×2", ["mid.attn2"]],
    ]);
    expectClose(groupPlane(maps, groups[0]!, [2]).data, wordPlane(fine, [2]).data, 1e-6);
  });

  it("are the mean of what all layers come to at the latent's size, nothing below 0", () => {
    const planes = Object.values(maps).map((map) => wordPlane(map, [0]));
    const { data } = heatMap(planes, { width: 4, height: 4 });
    const large = planes.map((each) => enlarged(each, { width: 4, height: 4 }).data);
    const want = large[0]!.map((_, i) => large.reduce((sum, each) => sum + Math.max(0, each[i]!), 0) / 3);
    expectClose(data, want, 1e-6);
    expect(() => heatMap([], { width: 4, height: 4 })).toThrow(RangeError);
  });
});

describe("the words of a prompt", () => {
  it("are those that its tokens make, each with its places", () => {
    const { tokenizer } = inkling.parts;
    const { ids } = tokenizer.row("A lady, Inkdroplet!");
    const words = promptWords(int64([1, 77], ids), tokenizer);
    expect(words.map(({ text }) => text)).toEqual(["a", "lady", ",", "inkdroplet", "!"]);
    const places = words.flatMap(({ tokens }) => tokens);
    expect(places).toEqual(places.map((_, i) => i + 1));
    const [, lady, comma] = words;
    const both = { text: "lady ,", tokens: [...lady!.tokens, ...comma!.tokens] };
    expect(findWords("Lady ,", words)).toEqual(both);
    for (const absent of ["eyes", "lady inkdroplet", " "]) {
      expect(() => findWords(absent, words)).toThrow(InputError);
      expect(() => findWords(absent, words)).toThrow("a lady , inkdroplet !");
    }
  });

  it("stand in several rows behind each other", () => {
    const { tokenizer } = inkling.parts;
    const rows = ["red", "blue"].flatMap((text) => tokenizer.row(text).ids);
    expect(promptWords(int64([2, 77], rows), tokenizer)).toMatchObject([
      { text: "red", tokens: expect.arrayContaining([1]) },
      { text: "blue", tokens: expect.arrayContaining([78]) },
    ]);
  });

  it("may be learnt ones beyond the vocabulary, of several vectors", () => {
    const { tokenizer } = inkling.parts;
    const { bosId, eosId, vocabSize } = tokenizer;
    const ids = [bosId, vocabSize, vocabSize + 1, vocabSize + 5, ...tokenizer.encode("!").slice(1, -1), eosId];
    expect(promptWords(int64([1, ids.length], ids), tokenizer)).toEqual([
      { text: LEARNT, tokens: [1, 2] },
      { text: LEARNT, tokens: [3] },
      { text: "!", tokens: [4] },
    ]);
  });
});

describe("the ink drop", () => {
  it("spreads as the checkpoint's schedule says, from all picture to nearly all noise", () => {
    const { alpha, sigma, snr } = noiseCurve(inkling.parts);
    expect([alpha.length, sigma.length]).toEqual([1000, 1000]);
    for (const t of [0, 1, 500, 999]) {
      expect(alpha[t]! ** 2 + sigma[t]! ** 2).toBeCloseTo(1, 5);
      expect(snr[t]! / (alpha[t]! / sigma[t]!) ** 2).toBeCloseTo(1, 5);
      if (t > 0) expect(snr[t]!).toBeLessThan(snr[t - 1]!);
    }
    expect(snr[0]!).toBeGreaterThan(100);
    expect(snr[999]!).toBeLessThan(0.1);
  });

  it("makes latents of a picture, noises them, and shows them to the U-Net once", async () => {
    const { parts } = inkling;
    const [width, height] = [40, 30];
    const picture = { width, height, data: Uint8Array.from({ length: 3 * width * height }, (_, i) => i % 256) };
    const x0 = await latentsOf(picture, parts);
    const { defaults, scale, latentChannels } = parts.facts;
    expect(x0.shape).toEqual([1, latentChannels, defaults.height / scale, defaults.width / scale]);
    const { noise, latents } = noised(x0, { timestep: 500, seed: 3 }, parts);
    const { alpha, sigma } = noiseCurve(parts);
    expectClose(
      latents.data,
      x0.data.map((x, i) => alpha[500]! * x + sigma[500]! * noise.data[i]!),
      1e-6,
    );
    expect(() => noised(x0, { timestep: 1000, seed: 3 }, parts)).toThrow("from 0 to 999");
    const { prediction, attention, words } = await lookAt(latents, { prompt: "blue eyes", timestep: 500 }, parts);
    expect(prediction.length).toBe(sizeOf(x0.shape));
    expect(words.map(({ text }) => text)).toEqual(["blue", "eyes"]);
    expect(Object.keys(attention).length).toBeGreaterThan(1);
  });
});

describe("the way back", () => {
  it("begins with the very latents, and ends with the clean ones that the last step believes in", async () => {
    const { parts } = inkling;
    const { latentChannels } = parts.facts;
    const shape = [1, latentChannels, 8, 8];
    const latents = float32(shape, createGenerator("cpu", 4).randn(shape));
    const asked = { prompt: "blue eyes", timestep: 400, steps: 2 };
    const steps: BackStep[] = [];
    for await (const step of wayBack(latents, asked, parts)) steps.push(step);
    expect(steps.map(({ call, calls, timestep }) => [call, calls, timestep])).toEqual([
      [0, 2, 400],
      [1, 2, 200],
    ]);
    // By hand: DDIM's eq. 12 of what the U-Net says of these latents.
    const { alpha, sigma } = noiseCurve(parts);
    const { prediction } = await lookAt(latents, asked, parts);
    const x0 = latents.data.map((x, i) => (x - sigma[400]! * prediction[i]!) / alpha[400]!);
    expectClose(steps[0]!.x0.data, x0, 1e-5);
    const after = x0.map((x, i) => alpha[200]! * x + sigma[200]! * prediction[i]!);
    expectClose(steps[0]!.latents.data, after, 1e-5);
    expect(steps[0]!.sigma).toBeCloseTo(sigma[400]! / alpha[400]!, 5);
    expect(steps[1]!.latents.data).toEqual(steps[1]!.x0.data);
    expect((await wayBack(latents, { ...asked, timestep: 0 }, parts).next()).value!.calls).toBe(1);
  });

  it("has no timestep that training had not, and at least one step", async () => {
    const latents = float32([1, 4, 8, 8], new Float32Array(256));
    const way = (timestep: number, steps: number) => wayBack(latents, { prompt: "", timestep, steps }, inkling.parts);
    await expect(way(1000, 2).next()).rejects.toThrow("from 0 to 999");
    await expect(way(3, 0).next()).rejects.toThrow("at least 1");
  });
});

describe("a run that is explained", () => {
  it("tells words, what the U-Net saw and said in each call and where it looked, and the picture", async () => {
    const types: string[] = [];
    const settings = { prompt: "blue eyes", seed: 1, steps: 2, width: 64, height: 64, count: 3 };
    for await (const event of explainedRun(settings, inkling)) {
      types.push(event.type);
      if (event.type !== "step") continue;
      expect(event.cond!.shape).toEqual(event.latents.shape);
      expect(event.maps.length).toBeGreaterThan(0);
      for (const { width, height, planes } of event.maps) {
        expect(planes.map((each) => [each.width, each.height])).toEqual([
          [width, height],
          [width, height],
        ]);
      }
    }
    // PNDM takes its second step twice.
    expect(types).toEqual(["words", "step", "step", "step", "image"]);
  });
});

describe("the space of words", () => {
  it("has neighbours for each token, the nearest first", async () => {
    const { tokenizer } = inkling.parts;
    const found = await tokensInSpace("blue eyes", 5, inkling.parts);
    const ids = tokenizer.encode("blue eyes").slice(1, -1);
    expect(found.map(({ id, token }) => [id, token])).toEqual(ids.map((id) => [id, tokenizer.token(id)]));
    const [first] = found;
    expect(first!.nearest).toHaveLength(5);
    const cosines = first!.nearest.map(({ cosine }) => cosine);
    expect(cosines).toEqual(cosines.toSorted((a, b) => b - a));
    // By hand: the cosine of the two rows of the table.
    const table = [...readTensors("checkpoints", plainCheckpoint.name, "text_encoder", "model.safetensors")].find(
      ([name]) => name.endsWith("token_embedding.weight"),
    )![1];
    const width = table.shape[1]!;
    const row = (id: number) => Array.from({ length: width }, (_, i) => Number(table.data[id * width + i]));
    const dot = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const own = row(first!.id);
    const other = row(tokenizer.encode(first!.nearest[0]!.text)[1]!);
    expect(cosines[0]).toBeCloseTo(dot(own, other) / Math.sqrt(dot(own, own) * dot(other, other)), 5);
  });

  it("has a text nearest to itself", async () => {
    const same = await likeness(["a blue lady", "a blue lady"], inkling.parts);
    expect(same.cosine).toBeCloseTo(1, 5);
    for (const [i, row] of same.matrix.entries()) expect(row[i]).toBeCloseTo(1, 5);
    const other = await likeness(["a blue lady", "red"], inkling.parts);
    expect(other.cosine).toBeLessThan(0.9999);
    const { tokenizer } = inkling.parts;
    const red = tokenizer.encode("red").slice(1, -1);
    expect(other.tokens[1]).toEqual(red.map(tokenizer.token));
    expect(other.matrix.map((row) => row.length)).toEqual(same.matrix.map(() => red.length));
  });
});

describe("the U-Net's drawing", () => {
  it("goes down and up again, as wide at its end as at its beginning, and counts every weight", () => {
    const { latent, parts, weights } = unetDrawing(inkling.parts);
    expect(parts[0]).toMatchObject({ path: "conv_in", side: "down", level: 0 });
    expect(parts.at(-1)).toMatchObject({ path: "conv_out", side: "up", level: 0, shape: latent });
    const deepest = Math.max(...parts.map(({ level }) => level));
    expect(parts.filter(({ side }) => side === "middle").every(({ level }) => level === deepest)).toBe(true);
    for (const { level, shape } of parts) expect(shape[2]).toBe(Math.ceil(latent[2] / 2 ** level));
    const stored = readTensors("checkpoints", plainCheckpoint.name, "unet", "diffusion_pytorch_model.safetensors");
    expect(weights).toBe([...stored.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0));
    expect(parts.reduce((sum, part) => sum + part.weights, 0)).toBeLessThan(weights);
  });
});

describe("the text transformer's drawing", () => {
  it("has the table of words, every layer and the norm at the end, and counts every weight", () => {
    const { tokens, width, heads, inner, parts, weights } = textDrawing(inkling.parts);
    const { checkpoint, textLayers } = inkling.parts.facts;
    expect({ hidden_size: width, num_attention_heads: heads, intermediate_size: inner }).toEqual(
      expect.objectContaining({
        hidden_size: checkpoint.textEncoder.config["hidden_size"],
        num_attention_heads: checkpoint.textEncoder.config["num_attention_heads"],
        intermediate_size: checkpoint.textEncoder.config["intermediate_size"],
      }),
    );
    expect(tokens).toBe(77);
    expect(parts.map(({ kind }) => kind)).toEqual(["table", ...Array(textLayers).fill("layer"), "norm"]);
    const stored = [...readTensors("checkpoints", plainCheckpoint.name, "text_encoder", "model.safetensors")];
    const learnt = stored.filter(([name]) => !name.endsWith("position_ids"));
    expect(weights).toBe(learnt.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0));
    const first = learnt.filter(([name]) => name.startsWith("text_model.encoder.layers.0."));
    expect(parts[1]).toMatchObject({
      path: "text_model.encoder.layers.0",
      weights: first.reduce((sum, [, { shape }]) => sum + sizeOf(shape), 0),
    });
  });
});

describe("the next token", () => {
  it("is named with its logit, the likeliest first, and all others have theirs", async () => {
    const model = await openLanguageModel(undefined, inkling.parts.runtime);
    try {
      const { tokens, logits } = await nextTokens("a lady with blue", 5, model);
      expect(tokens).toHaveLength(5);
      expect(logits.length).toBe(model.config.vocab_size);
      expect(logits.every((x, i) => i === 0 || x <= logits[i - 1]!)).toBe(true);
      expect(tokens.slice(0, 3)).toContain(" eyes");
      expect((await nextTokens("", 3, model)).tokens).toHaveLength(3);
    } finally {
      await model.close();
    }
  });
});
