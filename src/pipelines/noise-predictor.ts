import { byteLength } from "../graph/index.ts";
import type { UnetParts } from "../models/index.ts";
import type { Feeds, KeptTensor } from "../runtime/index.ts";
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
  /**
   * Where deep features are reused: of the calls of one round that tell the same words the first runs the whole U-Net, the
   * others take its deep features and run the shallow part alone.
   */
  readonly round?: number;
}

/**
 * The U-Net for the length of a run. Keys and values of words are computed when words are first told and stay with the
 * runtime, so one predictor serves one run at a time and is disposed of after it.
 */
export interface NoisePredictor {
  predict(feeds: UnetFeeds, signal?: AbortSignal): Promise<Float32Array>;
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

/** @param scales of adapters, for both parts */
export function createNoisePredictor(
  { open, run, runKeeping, finite }: Pick<Sessions, "open" | "run" | "runKeeping" | "finite">,
  networksFor: UnetNetworks,
  scales: Readonly<Record<string, Tensor>>,
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
    return (await runKeeping(networks.words, [...networks.parts().words.outputs.keys()], feeds, signal)).kept;
  }

  /** The whole U-Net, or its shallow part where the deep features of this round are there. */
  async function ask(told: Known, feeds: Feeds, round: number | undefined, networks: Unet, signal?: AbortSignal) {
    if (round === undefined) return run(networks.rest, feeds, signal);
    if (told.deep?.round === round && !isLost(told.deep.kept)) {
      const all: Feeds = { ...feeds, ...told.deep.kept };
      const wanted = networks.parts().shallow!.inputs.map(({ name }) => [name, all[name]!] as const);
      return run(networks.shallow, { ...Object.fromEntries(wanted), ...scales }, signal);
    }
    const { outputs, kept } = await runKeeping(networks.rest, ["deep"], feeds, signal);
    release(told.deep?.kept);
    told.deep = { round, kept };
    return outputs;
  }

  return {
    async predict({ sample, timestep, words, timestepCond, round }, signal) {
      const [batch, , height, width] = sample.shape as [number, number, number, number];
      const networks = networksFor({ height, width });
      // Loaded first: where the runtime had to be started anew for it, what was kept before is gone.
      await open(networks.rest, signal);
      const told = await knownOf(words, networks, signal);
      const feeds = {
        sample,
        timestep: float32([batch], new Float32Array(batch).fill(timestep)),
        ...(timestepCond && { timestep_cond: repeatRows(timestepCond, batch) }),
        ...told.keys,
        ...scales,
      };
      const { out_sample: out } = await ask(told, feeds, round, networks, signal);
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

function repeatRows(row: Float32Array, count: number): Tensor<"float32"> {
  const out = zeros("float32", [count, row.length]);
  for (let i = 0; i < count; i++) out.data.set(row, i * row.length);
  return out;
}
