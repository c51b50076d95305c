import { byteLength } from "../graph/index.ts";
import type { KeptTensor } from "../runtime/index.ts";
import { float32, joined, type Tensor, zeros } from "../tensor/index.ts";
import type { Network, Sessions } from "./sessions.ts";

/** One call of the U-Net, for a batch of pictures that share a timestep. */
export interface UnetFeeds {
  /** [B, C, H, W] */
  readonly sample: Tensor<"float32">;
  readonly timestep: number;
  /** For each of the batch its embedding [1, S, D], all of one length. */
  readonly words: readonly Tensor<"float32">[];
  /** [time_cond_proj_dim], where the network was distilled with guidance. */
  readonly timestepCond?: Float32Array;
}

/**
 * The U-Net for the length of a run. Keys and values of words are computed when words are first told and stay with the
 * runtime, so one predictor serves one run at a time and is disposed of after it.
 */
export interface NoisePredictor {
  predict(feeds: UnetFeeds, signal?: AbortSignal): Promise<Float32Array>;
  dispose(): void;
}

/** The U-Net's two parts (see `unetParts`). */
interface Unet {
  readonly words: Network;
  /** Names of what `words` comes to. */
  keys(): readonly string[];
  readonly rest: Network;
}

/** For latents of that size. */
export type UnetNetworks = (size: { readonly height: number; readonly width: number }) => Unet;

/** Words that the U-Net was told of, and the keys and values that its attentions have of them. */
interface Known {
  readonly words: UnetFeeds["words"];
  readonly keys: Readonly<Record<string, KeptTensor>>;
}

/** Bytes of keys and values that are kept where words change from step to step, beyond those that are told now. */
const ROOM = 2 ** 27;

/** @param scales of adapters, for both parts */
export function createNoisePredictor(
  { open, run, runKeeping, finite }: Pick<Sessions, "open" | "run" | "runKeeping" | "finite">,
  networksFor: UnetNetworks,
  scales: Readonly<Record<string, Tensor>>,
): NoisePredictor {
  /** What was told last comes first. */
  let known: readonly Known[] = [];

  async function keysOf(words: Known["words"], networks: Unet, signal?: AbortSignal): Promise<Known["keys"]> {
    const found = known.find((one) => isUsable(one) && sameWords(one.words, words));
    const now = found ?? { words, keys: await compute(words, networks, signal) };
    const before = known.filter((one) => one !== now);
    let room = ROOM;
    const kept = before.filter((one) => {
      room -= sizeOf(one);
      return room >= 0 && isUsable(one);
    });
    for (const one of before) if (!kept.includes(one)) forget(one);
    known = [now, ...kept];
    return now.keys;
  }

  async function compute(words: Known["words"], networks: Unet, signal?: AbortSignal): Promise<Known["keys"]> {
    const [, ...shape] = words[0]!.shape;
    const embeddings = float32([words.length, ...shape], joined(Float32Array, ...words.map(({ data }) => data)));
    const feeds = { encoder_hidden_states: embeddings, ...scales };
    return (await runKeeping(networks.words, networks.keys(), feeds, signal)).kept;
  }

  return {
    async predict({ sample, timestep, words, timestepCond }, signal) {
      const [batch, , height, width] = sample.shape as [number, number, number, number];
      const networks = networksFor({ height, width });
      // Loaded first: where the runtime had to be started anew for it, what was kept before is gone.
      await open(networks.rest, signal);
      const feeds = {
        sample,
        timestep: float32([batch], new Float32Array(batch).fill(timestep)),
        ...(timestepCond && { timestep_cond: repeatRows(timestepCond, batch) }),
        ...(await keysOf(words, networks, signal)),
        ...scales,
      };
      const { out_sample: out } = await run(networks.rest, feeds, signal);
      return (await finite(out, networks.rest)).data;
    },
    dispose() {
      known.forEach(forget);
      known = [];
    },
  };
}

function sameWords(a: Known["words"], b: Known["words"]): boolean {
  return a.length === b.length && a.every((embedding, i) => embedding === b[i]);
}

function isUsable({ keys }: Known): boolean {
  return Object.values(keys).every(({ ended }) => !ended);
}

function sizeOf({ keys }: Known): number {
  return Object.values(keys).reduce((sum, tensor) => sum + byteLength(tensor), 0);
}

function forget({ keys }: Known): void {
  for (const tensor of Object.values(keys)) tensor.dispose();
}

function repeatRows(row: Float32Array, count: number): Tensor<"float32"> {
  const out = zeros("float32", [count, row.length]);
  for (let i = 0; i < count; i++) out.data.set(row, i * row.length);
  return out;
}
