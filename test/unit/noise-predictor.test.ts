import { expect, test } from "vitest";
import type { UnetParts } from "../../src/models/index.ts";
import { createNoisePredictor } from "../../src/pipelines/noise-predictor.ts";
import type { Network, Sessions } from "../../src/pipelines/sessions.ts";
import type { KeptTensor } from "../../src/runtime/index.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";

/** Sessions that compute nothing and tell what they were asked; words come to keys of as many MiB as their sum says. */
function telling() {
  const asked: string[] = [];
  const held = new Set<KeptTensor>();
  const keep = (mebibytes: number): KeptTensor => {
    const tensor = {
      dtype: "float32",
      shape: [mebibytes * 2 ** 18],
      ended: false as boolean,
      dispose() {
        tensor.ended = true;
        held.delete(tensor);
      },
    } satisfies KeptTensor;
    held.add(tensor);
    return tensor;
  };
  const sessions: Pick<Sessions, "open" | "run" | "runKeeping" | "finite"> = {
    open: async () => {},
    run: async ({ name }, feeds) => {
      if (name === "shallow") expect(Object.keys(feeds)).toEqual(["sample", "deep"]);
      expect((feeds[name === "rest" ? "k" : "deep"] as KeptTensor).ended).toBe(false);
      asked.push(name);
      return { out_sample: float32([1], [0]) };
    },
    runKeeping: async ({ name }, names, feeds) => {
      const words = feeds["encoder_hidden_states"] as Tensor<"float32"> | undefined;
      asked.push(words ? name : `${name}, keeping ${names}`);
      const size = words?.data.reduce((sum, each) => sum + each) ?? 0;
      const kept = Object.fromEntries(names.map((each) => [each, keep(size)]));
      return { outputs: { out_sample: float32([1], [0]) }, kept };
    },
    finite: async (found) => found as Tensor<"float32">,
  };
  const network = (name: string) => ({ name }) as Network;
  const parts = {
    words: { outputs: new Map([["k", {}]]) },
    shallow: { inputs: [{ name: "sample" }, { name: "deep" }] },
  };
  const unet = { words: network("words"), rest: network("rest"), shallow: network("shallow") };
  const predictor = createNoisePredictor(sessions, () => ({ ...unet, parts: () => parts as unknown as UnetParts }), {});
  async function tell(words: Tensor<"float32">[], round?: number): Promise<string> {
    asked.length = 0;
    const sample = float32([words.length, 1, 1, 1], new Float32Array(words.length));
    await predictor.predict({ sample, timestep: 1, words, round });
    return asked.join(" ");
  }
  return {
    held,
    ask: (...words: Tensor<"float32">[]) => tell(words),
    inRound: (round: number, ...words: Tensor<"float32">[]) => tell(words, round),
    dispose: () => predictor.dispose(),
  };
}

const words = (mebibytes: number): Tensor<"float32"> => float32([1, 1, 1], [mebibytes]);

test("keys and values of words are computed when first told, also of words that come again", async () => {
  const { ask, held, dispose } = telling();
  const [a, b] = [words(1), words(1)];
  expect(await ask(a, b)).toBe("words rest");
  expect(await ask(a, b)).toBe("rest");
  expect(await ask(b)).toBe("words rest");
  expect(await ask(a, b)).toBe("rest");
  expect(await ask(b, a)).toBe("words rest");
  expect(held.size).toBe(3);
  dispose();
  expect(held.size).toBe(0);
});

test("words of more than the room are forgotten, the longest unasked first", async () => {
  const { ask, held } = telling();
  const [a, b, c, d] = [words(64), words(64), words(64), words(192)];
  for (const each of [a, b, c]) expect(await ask(each)).toBe("words rest");
  for (const each of [a, b, c, a]) expect(await ask(each)).toBe("rest");
  expect(await ask(d)).toBe("words rest");
  expect(held.size).toBe(3);
  // d alone is more than there is room for.
  expect(await ask(a)).toBe("rest");
  expect(held.size).toBe(1);
  expect(await ask(b)).toBe("words rest");
});

test("what ended with its process is computed again", async () => {
  const { ask, held } = telling();
  const a = words(1);
  await ask(a);
  for (const tensor of held) (tensor as { ended: boolean }).ended = true;
  expect(await ask(a)).toBe("words rest");
});

test("deep features are kept for the round that they were computed in, those of the round before given up", async () => {
  const { inRound, held, dispose } = telling();
  const [a, b] = [words(1), words(1)];
  expect(await inRound(1, a)).toBe("words rest, keeping deep");
  expect(await inRound(1, a)).toBe("shallow");
  expect(await inRound(1, b)).toBe("words rest, keeping deep");
  expect(await inRound(1, a)).toBe("shallow");
  expect(held.size).toBe(4);
  expect(await inRound(2, a)).toBe("rest, keeping deep");
  expect(held.size).toBe(4);
  for (const tensor of held) if (tensor.shape[0] === 0) (tensor as { ended: boolean }).ended = true;
  expect(await inRound(2, a)).toBe("rest, keeping deep");
  dispose();
  expect([...held].filter(({ ended }) => !ended)).toEqual([]);
});
