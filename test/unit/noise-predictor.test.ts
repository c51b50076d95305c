import { expect, test } from "vitest";
import type { UnetParts } from "../../src/models/index.ts";
import { createNoisePredictor } from "../../src/pipelines/noise-predictor.ts";
import type { Network, Sessions } from "../../src/pipelines/sessions.ts";
import type { Feeds, KeptTensor } from "../../src/runtime/index.ts";
import { float32, type Tensor } from "../../src/tensor/index.ts";

/** Keys of words, which are as many numbers. */
type Keys = KeptTensor & { readonly words: readonly number[] };

/**
 * Sessions that tell what they were asked. Words are one number each: they come to keys of as many MiB, and these numbers
 * are what is predicted for them.
 */
function telling(shared = false) {
  const asked: string[] = [];
  /** Of a U-Net that is cut every call has a round, of another none. */
  let isCut = false;
  const held = new Set<KeptTensor>();
  const keep = (words: readonly number[]): KeptTensor => {
    const tensor = {
      words,
      dtype: "float32",
      shape: [words.reduce((sum, mebibytes) => sum + mebibytes, 0) * 2 ** 18],
      location: "cpu",
      ended: false as boolean,
      dispose() {
        tensor.ended = true;
        held.delete(tensor);
      },
    } satisfies Keys;
    held.add(tensor);
    return tensor;
  };
  const predicted = (feeds: Feeds) => {
    for (const feed of Object.values(feeds)) if ("ended" in feed) expect(feed.ended).toBe(false);
    const { words } = feeds["k"] as Keys;
    const rows = shared ? 1 : words.length;
    expect(feeds["sample"]!.shape).toEqual([rows, 1, 1, 1]);
    return { out_sample: float32([words.length, 1, 1, 1], words) };
  };
  const sessions: Pick<Sessions, "open" | "run" | "runKeeping" | "finite"> = {
    open: async () => {},
    run: () => Promise.reject(new Error("Predictions do not stay here: nothing is to be read.")),
    runKeeping: async ({ name }, feeds) => {
      const words = feeds["encoder_hidden_states"] as Tensor<"float32"> | undefined;
      if (name === "shallow") expect(Object.keys(feeds)).toEqual(["sample", "k", "deep"]);
      asked.push(words || name === "shallow" || !isCut ? name : `${name}, keeping deep`);
      if (name === "shallow" || (!words && !isCut)) return { outputs: predicted(feeds), kept: {} };
      const kept = { [words ? "k" : "deep"]: keep([...(words?.data ?? [])]) };
      return { outputs: words ? {} : predicted(feeds), kept };
    },
    finite: async (found) => found as Tensor<"float32">,
  };
  const network = (name: string) => ({ name }) as Network;
  const parts = {
    shared,
    shallow: { inputs: [{ name: "sample" }, { name: "k" }, { name: "deep" }] },
  };
  const unet = { words: network("words"), rest: network("rest"), shallow: network("shallow") };
  const predictor = createNoisePredictor(sessions, () => ({ ...unet, parts: () => parts as unknown as UnetParts }), {});
  async function tell(words: Tensor<"float32">[], round?: number): Promise<string> {
    asked.length = 0;
    isCut = round !== undefined;
    const predictions = await predictor.predict({ sample: float32([1, 1, 1, 1], [0]), timestep: 1, words, round });
    expect(predictions.map(([value]) => value)).toEqual(words.map(({ data }) => data[0]));
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
  const [a, b] = [words(1), words(2)];
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

test("deep features of several words serve each of them, in any order", async () => {
  const { inRound } = telling();
  const [a, b, c] = [words(1), words(2), words(3)];
  expect(await inRound(1, a, b)).toBe("words rest, keeping deep");
  for (const some of [[a], [b], [b, a]]) expect(await inRound(1, ...some)).toBe("shallow");
  expect(await inRound(1, b, c)).toBe("words rest, keeping deep");
  expect(await inRound(2, b)).toBe("words rest, keeping deep");
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

test("where a batch has the latent in common, it is told once", async () => {
  const { ask, inRound } = telling(true);
  const [a, b] = [words(1), words(2)];
  expect(await ask(a, b)).toBe("words rest");
  expect(await inRound(0, a, b)).toBe("rest, keeping deep");
  expect(await inRound(0, b)).toBe("shallow");
});
