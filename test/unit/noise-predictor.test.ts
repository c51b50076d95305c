import { expect, test } from "vitest";
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
    run: async (_, feeds) => {
      expect((feeds["k"] as KeptTensor).ended).toBe(false);
      asked.push("rest");
      return { out_sample: float32([1], [0]) };
    },
    runKeeping: async (_, names, feeds) => {
      const { data } = feeds["encoder_hidden_states"] as Tensor<"float32">;
      asked.push("words");
      const size = data.reduce((sum, each) => sum + each);
      return { outputs: {}, kept: Object.fromEntries(names.map((name) => [name, keep(size)])) };
    },
    finite: async (found) => found as Tensor<"float32">,
  };
  const network = {} as Network;
  const predictor = createNoisePredictor(sessions, () => ({ words: network, rest: network, keys: () => ["k"] }), {});
  return {
    held,
    async ask(...words: Tensor<"float32">[]) {
      asked.length = 0;
      const sample = float32([words.length, 1, 1, 1], new Float32Array(words.length));
      await predictor.predict({ sample, timestep: 1, words });
      return asked.join(" ");
    },
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
