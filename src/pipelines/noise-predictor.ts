import type { UnetParts } from "../models/index.ts";
import type { Feeds, KeptTensor, Outputs } from "../runtime/index.ts";
import { float32, joined, sizeOf, type Tensor } from "../tensor/index.ts";
import { saidOf, type UnetCall } from "./inside.ts";
import { createKeptLatents, type KeptLatents, readKept, repeatKept } from "./kept-latents.ts";
import type { Network, Sessions } from "./sessions.ts";
import { createMemory, keepDeep, type ToldWords } from "./told-words.ts";

/** What the U-Net is shown, and what it is told of it. */
export interface UnetFeeds<Sample = Tensor<"float32">> {
  /** [1, C, H, W] */
  readonly sample: Sample;
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
  /** Where predictions stay with the runtime, what makes latents of them there. */
  readonly staying?: StayingPredictor;
  dispose(): void;
}

export interface StayingPredictor {
  /** For `vectors` of that shape, [1, C, H, W]. */
  latents(shape: readonly number[], vectors: number): KeptLatents;
  predict(feeds: UnetFeeds<KeptTensor>, signal?: AbortSignal): Promise<KeptPredictions>;
}

/** What the U-Net said, [B, C, H, W], which whoever asked disposes of. */
export interface KeptPredictions {
  readonly tensor: KeptTensor;
  /** For each of the words, which of the B it is. */
  readonly rows: readonly number[];
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

export interface NoisePredictorOptions {
  /** Is told of every call that is asked for numbers. */
  readonly watch?: (call: UnetCall) => void;
  /** The U-Net, where its networks keep "out_sample". */
  readonly staying?: Pick<Network, "name" | "part">;
}

/**
 * @param scales of adapters, for both parts
 */
export function createNoisePredictor(
  sessions: Pick<Sessions, "open" | "run" | "runKeeping" | "finite">,
  networksFor: UnetNetworks,
  scales: Readonly<Record<string, Tensor>>,
  { watch, staying }: NoisePredictorOptions = {},
): NoisePredictor {
  const { open, runKeeping, finite } = sessions;
  const memory = createMemory(sessions, scales);

  async function runShallow({ deep }: ToldWords, feeds: Feeds, networks: Unet, signal?: AbortSignal): Promise<Outputs> {
    const all: Feeds = { ...feeds, ...deep!.kept };
    const wanted = networks.parts().shallow!.inputs.map(({ name }) => [name, all[name]!] as const);
    return runKeeping(networks.shallow, { ...Object.fromEntries(wanted), ...scales }, signal);
  }

  async function runWhole(
    told: ToldWords,
    feeds: Feeds,
    round: number | undefined,
    networks: Unet,
    signal?: AbortSignal,
  ) {
    const { outputs, kept } = await runKeeping(networks.rest, feeds, signal);
    const { out_sample, ...deep } = kept;
    keepDeep(told, round, deep);
    return { outputs, kept: { ...(out_sample && { out_sample }) } };
  }

  /** One call of the U-Net, and for each of the words that were asked for which row it is. */
  async function ask(asked: UnetFeeds<Tensor<"float32"> | KeptTensor>, signal?: AbortSignal) {
    const { sample, timestep, words, timestepCond, round } = asked;
    const [, , height, width] = sample.shape as [number, number, number, number];
    const networks = networksFor({ height, width });
    // Loaded first: where the runtime had to be started anew for it, what was kept before is gone.
    await open(networks.rest, signal);
    const reused = round === undefined ? undefined : memory.reusable(words, round);
    const told = reused ?? (await memory.of(words, networks.words, signal));
    const count = networks.parts().shared ? 1 : told.words.length;
    const shown =
      "data" in sample
        ? repeatRows(sample, count)
        : await repeatKept(sessions, networks.rest.part, sample, count, signal);
    try {
      const feeds = {
        sample: shown,
        timestep: repeatRows(float32([1], [timestep]), count),
        ...(timestepCond && { timestep_cond: repeatRows(float32([1, timestepCond.length], timestepCond), count) }),
        ...told.keys,
        ...scales,
      };
      const { outputs, kept } = reused
        ? await runShallow(reused, feeds, networks, signal)
        : await runWhole(told, feeds, round, networks, signal);
      const rows = words.map((embedding) => told.words.indexOf(embedding));
      return { outputs, prediction: kept["out_sample"], rows, network: networks.rest };
    } finally {
      if (shown !== sample && "dispose" in shown) shown.dispose();
    }
  }

  /** The numbers of what stayed for once. */
  async function taken(prediction: KeptTensor, { part }: Network, signal?: AbortSignal): Promise<Tensor> {
    try {
      return await readKept(sessions, part, prediction, signal);
    } finally {
      prediction.dispose();
    }
  }

  return {
    async predict(asked, signal) {
      const { outputs, prediction, rows, network } = await ask(asked, signal);
      const { out_sample: numbers, ...maps } = outputs;
      const found = prediction ? await taken(prediction, network, signal) : numbers;
      const { shape, data } = await finite(found, network);
      const size = sizeOf(shape.slice(1));
      const { sample, timestep, words } = asked;
      const predictions = rows.map((row) => data.subarray(row * size, (row + 1) * size));
      watch?.({ sample, timestep, said: saidOf(words, { predictions, maps, rows }) });
      return predictions;
    },
    staying: staying && {
      latents: (shape, vectors) => createKeptLatents(sessions, staying, shape, vectors),
      async predict(asked, signal) {
        const { prediction, rows } = await ask(asked, signal);
        return { tensor: prediction!, rows };
      },
    },
    dispose: () => memory.dispose(),
  };
}

/** [1, …] → [count, …] */
function repeatRows({ shape: [, ...rest], data }: Tensor<"float32">, count: number): Tensor<"float32"> {
  return float32([count, ...rest], joined(Float32Array, ...Array<Float32Array>(count).fill(data)));
}
