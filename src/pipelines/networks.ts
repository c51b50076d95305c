import { setTimeout as nextTurn } from "node:timers/promises";
import { type Graph, lower, lowerings, toOnnx, type Weight } from "../graph/index.ts";
import {
  clipText,
  clipTextConfig,
  taesdConfig,
  taesdDecoder,
  taesdEncoder,
  unet,
  unetConfig,
  vaeConfig,
  vaeDecoder,
  vaeEncoder,
} from "../models/index.ts";
import type { Runtime, Session } from "../runtime/index.ts";
import { float32, InputError, type Tensor, zeros } from "../tensor/index.ts";
import { readTokenizerConfig } from "../text/index.ts";
import { type Checkpoint, checkWeights, findNonFinite, type ModelPart, type WeightStore } from "../weights/index.ts";
import { decodeInTiles } from "./tiles.ts";

/** Places of the latent. */
export interface LatentSize {
  readonly height: number;
  readonly width: number;
}

/** One call of the U-Net, for a batch of pictures that share a timestep. */
export interface UnetFeeds {
  /** [B, C, H, W] */
  readonly sample: Tensor<"float32">;
  readonly timestep: number;
  /** [B, S, D] */
  readonly words: Tensor<"float32">;
  /** [time_cond_proj_dim], where the network was distilled with guidance. */
  readonly timestepCond?: Float32Array;
}

/** The three networks of a checkpoint on a runtime. Sessions are made when first needed and kept for the next picture. */
export interface Networks {
  /** ids [B, T] → [B, T, D]; `skip` last layers are left out. */
  encodeText(ids: Tensor<"int64">, skip: number, signal?: AbortSignal): Promise<Tensor<"float32">>;
  predict(feeds: UnetFeeds, signal?: AbortSignal): Promise<Float32Array>;
  /** Latents as the U-Net holds them [B, 4, H, W] → pixels [B, 3, 8H, 8W] in about −1…1. */
  decode(latents: Tensor<"float32">, signal?: AbortSignal): Promise<Tensor<"float32">>;
  /**
   * Pixels [1, 3, 8H, 8W] in −1…1 → the mean of the latents' distribution [1, 4, H, W] and its standard deviation (the
   * tiny VAE has none), and the factor between these and the latents that the U-Net knows.
   */
  encode(pixels: Tensor<"float32">, signal?: AbortSignal): Promise<EncodedPicture>;
  /** Loads what a picture of this size needs, so that the first step is not slower than the others. */
  prepare(size: LatentSize, skip: number, signal?: AbortSignal): Promise<void>;
  release(): Promise<void>;
}

export interface EncodedPicture {
  readonly mean: Tensor<"float32">;
  readonly deviation?: Float32Array;
  readonly factor: number;
}

interface Network {
  readonly name: string;
  readonly part: ModelPart;
  /** The graph asks for a part of the weights only: more is no cause for a remark. */
  readonly partial?: boolean;
}

/** From this many places on, a picture is decoded in tiles: the decoder's memory grows with the area. */
const TILED_AREA = 128 * 128;

/**
 * Calls reject with an InputError when weights are missing, of a wrong shape, or not finite; `onNote` is told of weights
 * that nobody asks for.
 */
export function createNetworks(checkpoint: Checkpoint, runtime: Runtime, onNote: (line: string) => void): Networks {
  const sessions = new Map<string, { variant: string; session: Promise<Session> }>();
  const checked = new Set<ModelPart>();

  /** The session for `variant` of a network; another variant of the same network makes room for it. */
  async function open(network: Network, variant: string, build: () => Graph, signal?: AbortSignal): Promise<Session> {
    const { name, part } = network;
    const known = sessions.get(name);
    if (known?.variant === variant && !(await known.session).ended) return known.session;
    if (known) await known.session.then((s) => s.release()).catch(() => {});
    const session = create(network, build, signal);
    sessions.set(name, { variant, session });
    session.catch(() => {
      if (sessions.get(name)?.session === session) sessions.delete(name);
    });
    return session;

    /** In steps that let the event loop turn: for a large model each takes tens of milliseconds. */
    async function create({ partial }: Network, build: () => Graph, signal?: AbortSignal): Promise<Session> {
      await nextTurn();
      const graph = build();
      if (!checked.has(part)) {
        const wanted = new Map([...graph.parameters].map(([key, value]) => [key, value.shape as number[]]));
        checkWeights(part, wanted, { partial }).forEach(onNote);
        checked.add(part);
      }
      await nextTurn();
      const lowered = lower(graph, lowerings[runtime.device]);
      await nextTurn();
      const model = toOnnx(lowered, weightsOf(part.weights));
      await nextTurn();
      return runtime.createSession(model, { signal });
    }
  }

  const { textEncoder, unet: unetPart, vae } = checkpoint;
  const { maxLength: tokens } = readTokenizerConfig(checkpoint.tokenizer);
  const textSession = (skip: number, signal?: AbortSignal) =>
    open(
      { name: "text", part: textEncoder, partial: skip > 0 },
      `${skip}`,
      () => clipText(clipTextConfig(textEncoder.config), { skip, tokens }),
      signal,
    );
  const unetSession = (size: LatentSize, signal?: AbortSignal) =>
    open({ name: "unet", part: unetPart }, nameOf(size), () => unet(unetConfig(unetPart.config), size), signal);
  const encoderSession = (size: LatentSize, signal?: AbortSignal) =>
    open({ name: "encoder", part: vae, partial: true }, nameOf(size), () => encoder(vae, size), signal);
  const decoderSession = (size: LatentSize, signal?: AbortSignal) =>
    open({ name: "decoder", part: vae, partial: true }, nameOf(size), () => decoder(vae, size), signal);

  return {
    async encodeText(ids, skip, signal) {
      const session = await textSession(skip, signal);
      const { last_hidden_state: hidden } = await session.run({ input_ids: ids }, { signal });
      await expectFinite(hidden as Tensor<"float32">, textEncoder, "text encoder");
      return hidden as Tensor<"float32">;
    },
    async predict({ sample, timestep, words, timestepCond }, signal) {
      const [batch, , height, width] = sample.shape as [number, number, number, number];
      const session = await unetSession({ height, width }, signal);
      const feeds: Record<string, Tensor> = {
        sample,
        timestep: float32([batch], new Float32Array(batch).fill(timestep)),
        encoder_hidden_states: words,
      };
      if (timestepCond) feeds["timestep_cond"] = repeatRows(timestepCond, batch);
      const { out_sample: out } = await session.run(feeds, { signal });
      await expectFinite(out as Tensor<"float32">, unetPart, "U-Net");
      return (out as Tensor<"float32">).data;
    },
    async decode(latents, signal) {
      const [, , height, width] = latents.shape as [number, number, number, number];
      const decodeWhole = async (part: Tensor<"float32">): Promise<Tensor<"float32">> => {
        const [, , rows, columns] = part.shape as [number, number, number, number];
        const session = await decoderSession({ height: rows, width: columns }, signal);
        const { image } = await session.run({ latents: part }, { signal });
        return image as Tensor<"float32">;
      };
      const factor = scalingFactor(vae);
      const scaled = float32(
        latents.shape,
        latents.data.map((x) => x / factor),
      );
      const pixels =
        height * width >= TILED_AREA ? await decodeInTiles(scaled, decodeWhole) : await decodeWhole(scaled);
      await expectFinite(pixels, vae, "VAE");
      return pixels;
    },
    async encode(pixels, signal) {
      const scale = pixelsPerPlace(vae);
      const [, , rows, columns] = pixels.shape as [number, number, number, number];
      const session = await encoderSession({ height: rows / scale, width: columns / scale }, signal);
      const { mean, logvar, latents } = await session.run({ image: pixels }, { signal });
      const found = (mean ?? latents) as Tensor<"float32">;
      await expectFinite(found, vae, "VAE");
      const deviation = (logvar as Tensor<"float32"> | undefined)?.data.map((v) => Math.exp(v / 2));
      return { mean: found, deviation, factor: scalingFactor(vae) };
    },
    async prepare(size, skip, signal) {
      // The largest first: a load takes half as much again as what stays, and is cheapest beside little else.
      await unetSession(size, signal);
      await textSession(skip, signal);
      if (size.height * size.width < TILED_AREA) await decoderSession(size, signal);
    },
    async release() {
      const open = [...sessions.values()];
      sessions.clear();
      for (const { session } of open) await session.then((s) => s.release()).catch(() => {});
    },
  };
}

/** Latents on their way from the VAE to the U-Net are multiplied by this. */
export function scalingFactor(vae: ModelPart): number {
  return isTiny(vae) ? taesdConfig(vae.config).scaling_factor : vaeConfig(vae.config).scaling_factor;
}

/** Pixels per place of the latent, along each side. */
export function pixelsPerPlace(vae: ModelPart): number {
  const levels = isTiny(vae)
    ? taesdConfig(vae.config).num_decoder_blocks.length
    : vaeConfig(vae.config).block_out_channels.length;
  return 2 ** (levels - 1);
}

function isTiny(vae: ModelPart): boolean {
  return vae.config["_class_name"] === "AutoencoderTiny";
}

function decoder(vae: ModelPart, size: LatentSize): Graph {
  return isTiny(vae) ? taesdDecoder(taesdConfig(vae.config), size) : vaeDecoder(vaeConfig(vae.config), size);
}

function encoder(vae: ModelPart, size: LatentSize): Graph {
  return isTiny(vae) ? taesdEncoder(taesdConfig(vae.config), size) : vaeEncoder(vaeConfig(vae.config), size);
}

/** A parameter's place in the files; 8-bit weights come with the scale that is stored beside them. */
function weightsOf(store: WeightStore): (name: string) => Weight {
  return (name) => {
    const values = store.get(name)!;
    const scale = store.get(`${name}.scale`);
    return scale ? { values, scale } : values;
  };
}

/** NaN never becomes a black picture: the first weight that is not finite is named instead. */
async function expectFinite(t: Tensor<"float32">, part: ModelPart, network: string): Promise<void> {
  let sum = 0;
  for (let i = 0; i < t.data.length; i++) sum += t.data[i]!;
  if (Number.isFinite(sum)) return;
  const culprit = await findNonFinite(part.weights);
  throw new InputError(
    culprit
      ? `The ${network} gave numbers that are not finite: its weight "${culprit.name}" in ${part.weights.describe()} holds ${culprit.value}. Get the file again.`
      : `The ${network} gave numbers that are not finite (NaN or infinity), although its weights in ${part.weights.describe()} are all finite. Try another sampler, fewer or more steps, or a lower guidance.`,
  );
}

const nameOf = ({ height, width }: LatentSize): string => `${height}×${width}`;

function repeatRows(row: Float32Array, count: number): Tensor<"float32"> {
  const out = zeros("float32", [count, row.length]);
  for (let i = 0; i < count; i++) out.data.set(row, i * row.length);
  return out;
}
