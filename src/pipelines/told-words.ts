import { byteLength } from "../graph/index.ts";
import type { KeptTensor } from "../runtime/index.ts";
import { float32, joined, type Tensor } from "../tensor/index.ts";
import type { Network, Sessions } from "./sessions.ts";

/** Embeddings [1, S, D], all of one length. */
type Words = readonly Tensor<"float32">[];

type KeptTensors = Readonly<Record<string, KeptTensor>>;

/** Words that the U-Net was told of. */
export interface ToldWords {
  readonly words: Words;
  /** Keys and values that its attentions have of them. */
  readonly keys: KeptTensors;
  /** What its deeper layers came to when they were told last. */
  deep?: { readonly round: number | undefined; readonly kept: KeptTensors };
}

/** Bytes of keys and values that are kept where words change from step to step, beyond those that are told now. */
const ROOM = 2 ** 27;

/** What the U-Net was told of, which stays with the runtime: computed when it is first told. */
export interface Memory {
  of(words: Words, network: Network, signal?: AbortSignal): Promise<ToldWords>;
  /** Those whose deep features serve: they were told in this round, and these words among them. */
  reusable(words: Words, round: number): ToldWords | undefined;
  dispose(): void;
}

/** @param scales of adapters */
export function createMemory(
  { runKeeping }: Pick<Sessions, "runKeeping">,
  scales: Readonly<Record<string, Tensor>>,
): Memory {
  /** What was told last comes first. */
  let known: readonly ToldWords[] = [];

  async function compute(words: Words, network: Network, signal?: AbortSignal): Promise<KeptTensors> {
    const [, ...shape] = words[0]!.shape;
    const embeddings = float32([words.length, ...shape], joined(Float32Array, ...words.map(({ data }) => data)));
    return (await runKeeping(network, { encoder_hidden_states: embeddings, ...scales }, signal)).kept;
  }

  return {
    async of(words, network, signal) {
      const found = known.find((one) => !isLost(one.keys) && sameWords(one.words, words));
      const now: ToldWords = found ?? { words, keys: await compute(words, network, signal) };
      const before = known.filter((one) => one !== now);
      let room = ROOM;
      const kept = before.filter((one) => {
        room -= sizeOf(one);
        return room >= 0 && !isLost(one.keys);
      });
      for (const one of before) if (!kept.includes(one)) forget(one);
      known = [now, ...kept];
      return now;
    },
    reusable: (words, round) =>
      known.find(
        (one) =>
          one.deep?.round === round &&
          words.every((embedding) => one.words.includes(embedding)) &&
          !isLost({ ...one.keys, ...one.deep?.kept }),
      ),
    dispose() {
      known.forEach(forget);
      known = [];
    },
  };
}

/** Keeps what the deeper layers came to in a round, in place of what they came to before. */
export function keepDeep(told: ToldWords, round: number | undefined, kept: KeptTensors): void {
  release(told.deep?.kept);
  told.deep = { round, kept };
}

function sameWords(a: Words, b: Words): boolean {
  return a.length === b.length && a.every((embedding, i) => embedding === b[i]);
}

function isLost(kept: KeptTensors): boolean {
  return Object.values(kept).some(({ ended }) => ended);
}

function sizeOf({ keys }: ToldWords): number {
  return Object.values(keys).reduce((sum, tensor) => sum + byteLength(tensor), 0);
}

function forget({ keys, deep }: ToldWords): void {
  release(keys);
  release(deep?.kept);
}

function release(kept: KeptTensors = {}): void {
  for (const tensor of Object.values(kept)) tensor.dispose();
}
