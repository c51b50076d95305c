import { byteLength } from "../graph/index.ts";
import type { UnetParts } from "../models/index.ts";
import type { Feeds, KeptTensor } from "../runtime/index.ts";
import { float32, joined, sizeOf as sizeOfShape, type Tensor } from "../tensor/index.ts";
import type { AttentionMaps, UnetCall } from "./inside.ts";
import type { Network, Sessions } from "./sessions.ts";

/** What the U-Net is shown, and what it is told of it. */
export interface UnetFeeds {
  /** [1, C, H, W] */
  readonly sample: Tensor<"float32">;
  readonly timestep: number;
  /** Embeddings [1, S, D], all of one length: a prediction is made for each. */
  readonly words: readonly Tensor<"float32">[];
  /** [time_cond_proj_dim], where the network was distilled with guidance. */
  readonly timestepCond?: Float32Array;
  /**
   * Where deep features are reused: the first call of a round runs the whole U-Net. Others that tell none but the same words
   * take its deep features and run the shallow part alone.
   */
  readonly round?: number;
}

/**
 * The U-Net for the length of a run. Keys and values of words are computed when words are first told and stay with the
 * runtime, so one predictor serves one run at a time and is disposed of after it.
 */
export interface NoisePredictor {
  /** A prediction [1, C, H, W] for each of the words. */
  predict(feeds: UnetFeeds, signal?: AbortSignal): Promise<Float32Array[]>;
  dispose(): void;
}

/** The parts of a U-Net as networks. */
interface Unet {
  parts(): UnetParts;
  readonly words: Network;
  readonly rest: Network;
  readonly shallow: Network;
}

/** For latents of that size. */
export type UnetNetworks = (size: { readonly height: number; readonly width: number }) => Unet;

type KeptTensors = Readonly<Record<string, KeptTensor>>;

/** Words that the U-Net was told of. */
interface Known {
  readonly words: UnetFeeds["words"];
  /** Keys and values that its attentions have of them. */
  readonly keys: KeptTensors;
  /** What its deeper layers came to when they were told last. */
  deep?: { readonly round: number; readonly kept: KeptTensors };
}

/** Bytes of keys and values that are kept where words change from step to step, beyond those that are told now. */
const ROOM = 2 ** 27;

/**
 * @param scales of adapters, for both parts
 * @param watch is told of every call
 */
export function createNoisePredictor(
  { open, run, runKeeping, finite }: Pick<Sessions, "open" | "run" | "runKeeping" | "finite">,
  networksFor: UnetNetworks,
  scales: Readonly<Record<string, Tensor>>,
  watch?: (call: UnetCall) => void,
): NoisePredictor {
  /** What was told last comes first. */
  let known: readonly Known[] = [];

  async function knownOf(words: Known["words"], networks: Unet, signal?: AbortSignal): Promise<Known> {
    const found = known.find((one) => !isLost(one.keys) && sameWords(one.words, words));
    const now: Known = found ?? { words, keys: await compute(words, networks, signal) };
    const before = known.filter((one) => one !== now);
    let room = ROOM;
    const kept = before.filter((one) => {
      room -= sizeOf(one);
      return room >= 0 && !isLost(one.keys);
    });
    for (const one of before) if (!kept.includes(one)) forget(one);
    known = [now, ...kept];
    return now;
  }

  async function compute(words: Known["words"], networks: Unet, signal?: AbortSignal): Promise<KeptTensors> {
    const [, ...shape] = words[0]!.shape;
    const embeddings = float32([words.length, ...shape], joined(Float32Array, ...words.map(({ data }) => data)));
    const feeds = { encoder_hidden_states: embeddings, ...scales };
    return (await runKeeping(networks.words, feeds, signal)).kept;
  }

  /** Those whose deep features serve: they were told in this round, and these words among them. */
  function reusable({ words, round }: UnetFeeds): Known | undefined {
    return known.find(
      (one) =>
        one.deep?.round === round &&
        words.every((embedding) => one.words.includes(embedding)) &&
        !isLost({ ...one.keys, ...one.deep?.kept }),
    );
  }

  async function runShallow({ deep }: Known, feeds: Feeds, networks: Unet, signal?: AbortSignal) {
    const all: Feeds = { ...feeds, ...deep!.kept };
    const wanted = networks.parts().shallow!.inputs.map(({ name }) => [name, all[name]!] as const);
    return run(networks.shallow, { ...Object.fromEntries(wanted), ...scales }, signal);
  }

  async function runWhole(told: Known, feeds: Feeds, round: number | undefined, networks: Unet, signal?: AbortSignal) {
    if (round === undefined) return run(networks.rest, feeds, signal);
    const { outputs, kept } = await runKeeping(networks.rest, feeds, signal);
    release(told.deep?.kept);
    told.deep = { round, kept };
    return outputs;
  }

  return {
    async predict(asked, signal) {
      const { sample, timestep, words, timestepCond, round } = asked;
      const [, , height, width] = sample.shape as [number, number, number, number];
      const networks = networksFor({ height, width });
      // Loaded first: where the runtime had to be started anew for it, what was kept before is gone.
      await open(networks.rest, signal);
      const reused = round === undefined ? undefined : reusable(asked);
      const told = reused ?? (await knownOf(words, networks, signal));
      const count = networks.parts().shared ? 1 : told.words.length;
      const feeds = {
        sample: repeatRows(sample, count),
        timestep: repeatRows(float32([1], [timestep]), count),
        ...(timestepCond && { timestep_cond: repeatRows(float32([1, timestepCond.length], timestepCond), count) }),
        ...told.keys,
        ...scales,
      };
      const { out_sample: out, ...maps } = reused
        ? await runShallow(reused, feeds, networks, signal)
        : await runWhole(told, feeds, round, networks, signal);
      const { data } = await finite(out, networks.rest);
      const size = data.length / told.words.length;
      const rows = words.map((embedding) => told.words.indexOf(embedding));
      const predictions = rows.map((row) => data.subarray(row * size, (row + 1) * size));
      const saidOf = (row: number, i: number) => ({
        words: words[i]!,
        prediction: predictions[i]!,
        attention: mapsOf(maps as Record<string, Tensor<"float32">>, row),
      });
      watch?.({ sample, timestep, said: rows.map(saidOf) });
      return predictions;
    },
    dispose() {
      known.forEach(forget);
      known = [];
    },
  };
}

/** Those of one of a batch: [B, H, W, S] → [H, W, S]. */
function mapsOf(maps: AttentionMaps, row: number): AttentionMaps {
  const own = Object.entries(maps).map(
    ([
      path,
      {
        shape: [, ...shape],
        data,
      },
    ]) => {
      const size = sizeOfShape(shape);
      return [path, float32(shape, data.subarray(row * size, (row + 1) * size))] as const;
    },
  );
  return Object.fromEntries(own);
}

function sameWords(a: Known["words"], b: Known["words"]): boolean {
  return a.length === b.length && a.every((embedding, i) => embedding === b[i]);
}

function isLost(kept: KeptTensors): boolean {
  return Object.values(kept).some(({ ended }) => ended);
}

function sizeOf({ keys }: Known): number {
  return Object.values(keys).reduce((sum, tensor) => sum + byteLength(tensor), 0);
}

function forget({ keys, deep }: Known): void {
  release(keys);
  release(deep?.kept);
}

function release(kept: KeptTensors = {}): void {
  for (const tensor of Object.values(kept)) tensor.dispose();
}

/** [1, …] → [count, …] */
function repeatRows({ shape: [, ...rest], data }: Tensor<"float32">, count: number): Tensor<"float32"> {
  return float32([count, ...rest], joined(Float32Array, ...Array<Float32Array>(count).fill(data)));
}
