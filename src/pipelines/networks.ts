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
import { float32, InputError, inTurns, nextTurn, type Tensor, untilAborted, zeros } from "../tensor/index.ts";
import { readTokenizerConfig } from "../text/index.ts";
// Not from the room's index: this file also runs in a page, which reads no files.
import { checkWeights } from "../weights/check.ts";
import type { Checkpoint, ModelPart, NonFinite, WeightStore } from "../weights/index.ts";
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
  decode(
    latents: Tensor<"float32">,
    options?: { readonly tiled?: boolean; readonly signal?: AbortSignal },
  ): Promise<Tensor<"float32">>;
  /**
   * Pixels [1, 3, 8H, 8W] in −1…1 → the mean of the latents' distribution [1, 4, H, W] and its standard deviation (the
   * tiny VAE has none), and the factor between these and the latents that the U-Net knows.
   */
  encode(pixels: Tensor<"float32">, signal?: AbortSignal): Promise<EncodedPicture>;
  /** Loads what a picture of this size needs, so that the first step is not slower than the others. */
  prepare(
    size: LatentSize,
    options: { readonly skip: number; readonly tiled: boolean; readonly signal?: AbortSignal },
  ): Promise<void>;
}

export interface EncodedPicture {
  readonly mean: Tensor<"float32">;
  readonly deviation?: Float32Array;
  readonly factor: number;
}

/** What a session is made of. */
interface Network {
  readonly name: string;
  /** What it was built for; one variant of a network is held at a time. */
  readonly variant: string;
  readonly part: ModelPart;
  /** The graph asks for a part of the weights only: more is no cause for a remark. */
  readonly partial?: boolean;
  build(): Graph;
}

/** From more places than this on, a picture is decoded in tiles unless told otherwise: a decoder's memory grows with it. */
const TILED_AREA = 128 * 128;

/** Whether a picture of this size is decoded in tiles where nobody said. */
export function tiledByDefault({ height, width }: LatentSize): boolean {
  return height * width > TILED_AREA;
}

export interface NetworksOptions {
  /** Is told of weights that nobody asks for. */
  readonly onNote?: (line: string) => void;
  /** Looks through the weights where a network's output is not finite, to name the one at fault. Default: nobody looks. */
  readonly findNonFinite?: (weights: WeightStore) => Promise<NonFinite | undefined>;
}

/** Calls reject with an InputError when weights are missing, of a wrong shape, or not finite. */
export function createNetworks(
  checkpoint: Pick<Checkpoint, "textEncoder" | "unet" | "vae" | "tokenizer">,
  runtime: Runtime,
  { onNote = () => {}, findNonFinite }: NetworksOptions = {},
): Networks {
  const sessions = new Map<string, { readonly variant: string; readonly session: Session }>();
  const turns = new Map<string, Promise<unknown>>();
  const checked = new Set<ModelPart>();

  /** The session of a network; what it holds for another variant makes room. Callers for one network take turns. */
  function open(network: Network, signal?: AbortSignal): Promise<Session> {
    const { name, variant } = network;
    const work = async (): Promise<Session> => {
      const known = sessions.get(name);
      if (known?.variant === variant && !known.session.ended) return known.session;
      sessions.delete(name);
      await known?.session.release();
      const session = await create(network, signal);
      sessions.set(name, { variant, session });
      return session;
    };
    const next = (turns.get(name) ?? Promise.resolve()).then(work, work);
    turns.set(name, next);
    return untilAborted(next, signal);
  }

  /** In steps that let the event loop turn: for a large model each takes tens of milliseconds. */
  async function create({ part, partial, build }: Network, signal?: AbortSignal): Promise<Session> {
    signal?.throwIfAborted();
    await nextTurn();
    const graph = build();
    if (!checked.has(part)) {
      const wanted = new Map([...graph.parameters].map(([key, value]) => [key, value.shape as number[]]));
      checkWeights(part, wanted, { partial }).forEach(onNote);
      if (!partial) checked.add(part);
    }
    await nextTurn();
    const lowered = lower(graph, lowerings[runtime.device]);
    await nextTurn();
    const model = toOnnx(lowered, weightsOf(part.weights));
    await nextTurn();
    return runtime.createSession(model, { signal });
  }

  async function run(
    network: Network,
    feeds: Record<string, Tensor>,
    signal?: AbortSignal,
  ): Promise<Record<string, Tensor>> {
    let session = await open(network, signal);
    // Between here and there a run of another size may have taken its place.
    while (session.ended) session = await open(network, signal);
    return session.run(feeds, { signal });
  }

  const { textEncoder, unet: unetPart, vae } = checkpoint;
  const { maxLength: tokens } = readTokenizerConfig(checkpoint.tokenizer);
  const text = (skip: number): Network => ({
    name: "text encoder",
    variant: `${skip}`,
    part: textEncoder,
    partial: skip > 0,
    build: () => clipText(clipTextConfig(textEncoder.config, textEncoder.configFile), { skip, tokens }),
  });
  const noisePredictor = (size: LatentSize): Network => ({
    name: "U-Net",
    variant: nameOf(size),
    part: unetPart,
    build: () => unet(unetConfig(unetPart.config, unetPart.configFile), size),
  });
  const half = (name: string, size: LatentSize, build: () => Graph): Network => ({
    name,
    variant: nameOf(size),
    part: vae,
    partial: true,
    build,
  });
  const encoderFor = (size: LatentSize) => half("VAE encoder", size, () => encoder(vae, size));
  const decoderFor = (size: LatentSize) => half("VAE decoder", size, () => decoder(vae, size));

  return {
    async encodeText(ids, skip, signal) {
      const { last_hidden_state: hidden } = await run(text(skip), { input_ids: ids }, signal);
      return finite(hidden, textEncoder, "text encoder", findNonFinite);
    },
    async predict({ sample, timestep, words, timestepCond }, signal) {
      const [batch] = sample.shape as [number];
      const feeds: Record<string, Tensor> = {
        sample,
        timestep: float32([batch], new Float32Array(batch).fill(timestep)),
        encoder_hidden_states: words,
      };
      if (timestepCond) feeds["timestep_cond"] = repeatRows(timestepCond, batch);
      const { out_sample: out } = await run(noisePredictor(sizeOfLast(sample)), feeds, signal);
      return (await finite(out, unetPart, "U-Net", findNonFinite)).data;
    },
    async decode(latents, { tiled = tiledByDefault(sizeOfLast(latents)), signal } = {}) {
      const decodeWhole = async (part: Tensor<"float32">): Promise<Tensor<"float32">> => {
        const { image } = await run(decoderFor(sizeOfLast(part)), { latents: part }, signal);
        return image as Tensor<"float32">;
      };
      const factor = scalingFactor(vae);
      const scaled = float32(
        latents.shape,
        latents.data.map((x) => x / factor),
      );
      const image = tiled ? await decodeInTiles(scaled, decodeWhole) : await decodeWhole(scaled);
      return finite(image, vae, "VAE", findNonFinite);
    },
    async encode(pixels, signal) {
      const scale = pixelsPerPlace(vae);
      const { height, width } = sizeOfLast(pixels);
      const size = { height: height / scale, width: width / scale };
      const { mean, logvar, latents } = await run(encoderFor(size), { image: pixels }, signal);
      const deviation = (logvar as Tensor<"float32"> | undefined)?.data.map((v) => Math.exp(v / 2));
      return { mean: await finite(mean ?? latents, vae, "VAE", findNonFinite), deviation, factor: scalingFactor(vae) };
    },
    async prepare(size, { skip, tiled, signal }) {
      // The largest first: a load takes half as much again as what stays, and is cheapest beside little else.
      await open(noisePredictor(size), signal);
      await open(text(skip), signal);
      if (!tiled) await open(decoderFor(size), signal);
    },
  };
}

/** Latents on their way from the VAE to the U-Net are multiplied by this. */
export function scalingFactor(vae: ModelPart): number {
  return isTiny(vae)
    ? taesdConfig(vae.config, vae.configFile).scaling_factor
    : vaeConfig(vae.config, vae.configFile).scaling_factor;
}

/** Pixels per place of the latent, along each side. */
export function pixelsPerPlace(vae: ModelPart): number {
  const levels = isTiny(vae)
    ? taesdConfig(vae.config, vae.configFile).num_decoder_blocks.length
    : vaeConfig(vae.config, vae.configFile).block_out_channels.length;
  return 2 ** (levels - 1);
}

function isTiny(vae: ModelPart): boolean {
  return vae.config["_class_name"] === "AutoencoderTiny";
}

function decoder(vae: ModelPart, size: LatentSize): Graph {
  return isTiny(vae)
    ? taesdDecoder(taesdConfig(vae.config, vae.configFile), size)
    : vaeDecoder(vaeConfig(vae.config, vae.configFile), size);
}

function encoder(vae: ModelPart, size: LatentSize): Graph {
  return isTiny(vae)
    ? taesdEncoder(taesdConfig(vae.config, vae.configFile), size)
    : vaeEncoder(vaeConfig(vae.config, vae.configFile), size);
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
async function finite(
  found: Tensor | undefined,
  { weights }: ModelPart,
  network: string,
  findNonFinite: NetworksOptions["findNonFinite"],
): Promise<Tensor<"float32">> {
  const { data } = found as Tensor<"float32">;
  let sum = 0;
  await inTurns(data.length, (from, to) => {
    for (let i = from; i < to; i++) sum += data[i]!;
  });
  if (Number.isFinite(sum)) return found as Tensor<"float32">;
  const culprit = await findNonFinite?.(weights);
  const what = `The ${network} gave numbers that are not finite`;
  const advice = "Try another sampler, fewer or more steps, or a lower guidance.";
  const where = weights.describe();
  if (culprit) {
    throw new InputError(
      `${what}: its weight "${culprit.name}" in ${where} holds ${culprit.value}. Get the file again.`,
    );
  }
  throw new InputError(
    findNonFinite
      ? `${what} (NaN or infinity), although its weights in ${where} are all finite. ${advice}`
      : `${what} (NaN or infinity). ${advice} Or its weights in ${where} are damaged: get them again.`,
  );
}

/** The last two dimensions. */
function sizeOfLast({ shape }: Tensor): LatentSize {
  return { height: shape.at(-2)!, width: shape.at(-1)! };
}

const nameOf = ({ height, width }: LatentSize): string => `${height}×${width}`;

function repeatRows(row: Float32Array, count: number): Tensor<"float32"> {
  const out = zeros("float32", [count, row.length]);
  for (let i = 0; i < count; i++) out.data.set(row, i * row.length);
  return out;
}
