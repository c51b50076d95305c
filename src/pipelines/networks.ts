import type { Graph } from "../graph/index.ts";
import {
  type Autoencoder,
  adapt,
  autoencoder,
  clipText,
  clipTextConfig,
  type GraphAdapter,
  pseudoWordFeeds,
  scaleName,
  type UnetParts,
  unetConfig,
  unetParts,
} from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import { readTokenizerConfig } from "../text/index.ts";
import type { Checkpoint, ModelPart } from "../weights/index.ts";
import type { UnetCall } from "./inside.ts";
import { createNoisePredictor, type NoisePredictor, type UnetNetworks } from "./noise-predictor.ts";
import {
  allFinite,
  type BuiltGraph,
  createSessions,
  type Network,
  type Precision,
  type SessionsOptions,
} from "./sessions.ts";
import { decodeInTiles } from "./tiles.ts";

/** Places of the latent. */
export interface LatentSize {
  readonly height: number;
  readonly width: number;
}

/** The three networks of a checkpoint on a runtime. Sessions are made when first needed and kept for the next picture. */
export interface Networks {
  /**
   * The same networks with these adapters and no others, and with vectors [N, C] that ids beyond the vocabulary mean; another
   * set of adapters loads U-Net and text encoder anew, the first vectors the text encoder.
   */
  adapted(adapters: Adapters, vectors?: Tensor<"float32">): Networks;
  /** What the U-Net and the text encoder are computed in. */
  precision(): Promise<Precision>;
  /** ids [B, T] → [B, T, D]; `skip` last layers are left out. */
  encodeText(ids: Tensor<"int64">, skip: number, signal?: AbortSignal): Promise<Tensor<"float32">>;
  /** The U-Net for one run: dispose of it when that has ended. `watch` is told of every call. */
  noisePredictor(cut?: UnetCut, watch?: (call: UnetCall) => void): NoisePredictor;
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
    options: UnetCut & { readonly skip: number; readonly tiled: boolean; readonly signal?: AbortSignal },
  ): Promise<void>;
}

/** Where the U-Net's deeper layers are cut off, so that what they come to can be reused (see `unetParts`). */
export interface UnetCut {
  /** Default: nowhere. */
  readonly branch?: number;
  /** Which share of the largest level's places is merged (see `tokenMerging`). Default: none. */
  readonly merged?: number;
  /** Whether its cross-attentions tell where they look (see `tapCrossAttentions`). Default false. */
  readonly maps?: boolean;
}

/** An adapter (LoRA and the like) with the layers of these networks that it changes, and how strongly. */
export interface AppliedAdapter {
  /** For people. */
  readonly name: string;
  /** Of its file: what tells it from others. */
  readonly path: string;
  readonly scales: { readonly unet: number; readonly text: number };
  readonly unet: GraphAdapter["layers"];
  readonly text: GraphAdapter["layers"];
}

type Adapters = readonly AppliedAdapter[];

export interface EncodedPicture {
  readonly mean: Tensor<"float32">;
  readonly deviation?: Float32Array;
  readonly factor: number;
}

/** From more places than this on, a picture is decoded in tiles unless told otherwise: a decoder's memory grows with it. */
const TILED_AREA = 128 * 128;

/** Whether a picture of this size is decoded in tiles where nobody said. */
export function tiledByDefault({ height, width }: LatentSize): boolean {
  return height * width > TILED_AREA;
}

export interface NetworksOptions extends SessionsOptions {
  /**
   * Whether predictions and latents stay with the runtime from step to step, where nobody looks at them. Default: where they
   * lie in a graphics device's memory then.
   */
  readonly latentsStay?: boolean;
}

const UNET = "U-Net";

/** What may help where a network's numbers run away although its weights are in order. */
const ADVICE = "Try another sampler, fewer or more steps, or a lower guidance.";

/** Calls reject with an InputError when weights are missing, of a wrong shape, or not finite. */
export function createNetworks(
  checkpoint: Pick<Checkpoint, "textEncoder" | "unet" | "vae" | "tokenizer">,
  runtime: Runtime,
  options: NetworksOptions = {},
): Networks {
  const { latentsStay: stays = runtime.device === "webgpu" } = options;
  const sessions = createSessions(runtime, { precision: "auto", ...options, advice: ADVICE });
  const { open, run, finite, precisionOf } = sessions;
  const { textEncoder, unet: unetPart, vae } = checkpoint;
  const { maxLength: tokens } = readTokenizerConfig(checkpoint.tokenizer);
  const textConfig = clipTextConfig(textEncoder.config, textEncoder.configFile);
  const text = (skip: number, adapters: Adapters, pseudoWords: boolean): Network => ({
    name: "text encoder",
    variant: `${skip} ${pseudoWords ? "with pseudo-words " : ""}${keyOf(adapters)}`,
    part: textEncoder,
    partial: skip > 0,
    brief: true,
    inBits: true,
    build: () =>
      adapted(
        clipText(textConfig, { skip, tokens, pseudoWords }),
        adapters.map(({ name, text }) => ({ name, layers: text })),
      ),
  });
  /** Built once for the networks that are cut from it. */
  let lastParts: { readonly variant: string; readonly parts: UnetParts } | undefined;
  const unetFor =
    (adapters: Adapters, { branch, merged, maps }: UnetCut = {}): UnetNetworks =>
    (size) => {
      const variant = [
        nameOf(size),
        branch !== undefined && `branch ${branch}`,
        merged && `${merged} merged`,
        maps && "maps",
      ]
        .filter(Boolean)
        .join(", ");
      const parts = (): UnetParts => {
        if (lastParts?.variant !== variant) {
          const config = unetConfig(unetPart.config, unetPart.configFile);
          lastParts = { variant, parts: unetParts(config, { ...size, merged, maps }, branch) };
        }
        return lastParts.parts;
      };
      const cut = (name: string, part: "words" | "rest" | "shallow", of: string): Network => ({
        name,
        variant: `${of} ${keyOf(adapters)}`,
        part: unetPart,
        inBits: true,
        build: () => {
          const kept = stays && part !== "words" ? ["out_sample"] : [];
          const changes = adapters.map(({ name, unet: layers }) => ({ name, layers }));
          const { whole, [part]: graph } = parts();
          const own = new Set([...whole.inputs.map(({ name }) => name), ...whole.outputs.keys()]);
          const names = [...graph!.inputs.map(({ name }) => name), ...graph!.outputs.keys()];
          return { ...adapted(graph!, changes), whole, kept, handed: names.filter((name) => !own.has(name)) };
        },
      });
      return {
        parts,
        // Words are the same at every size; maps need more of them.
        words: cut("U-Net's words", "words", maps ? "maps" : ""),
        rest: cut(UNET, "rest", variant),
        shallow: cut("U-Net's shallow part", "shallow", variant),
      };
    };
  const vaeOf = () => autoencoderOf(vae);
  /** Published ones that run over in 16 bits say so; others are found out. */
  let exactVae = vaeOf().exact;
  const half = (name: string, size: LatentSize, build: () => Graph): Network => ({
    name,
    variant: exactVae ? `${nameOf(size)}, exact` : nameOf(size),
    part: vae,
    partial: true,
    batch: 1,
    exact: exactVae,
    build,
  });
  /** What the VAE computes: where it runs over in 16 bits, once more in 32, as from then on. */
  const throughVae = async <T extends { readonly found: Tensor<"float32"> }>(compute: () => Promise<T>): Promise<T> => {
    let result = await compute();
    const isNarrow = (await precisionOf({ exact: exactVae })) === "float16";
    if (isNarrow && !(await allFinite(result.found))) {
      options.onNote?.("The VAE's numbers are too large for 16-bit floats: it is computed in float32.");
      exactVae = true;
      result = await compute();
    }
    await finite(result.found, { name: "VAE", part: vae });
    return result;
  };
  const encoderFor = (size: LatentSize) => half("VAE encoder", size, () => vaeOf().encoder(size));
  const decoderFor = (size: LatentSize) => half("VAE decoder", size, () => vaeOf().decoder(size));

  const withAdapters = (adapters: Adapters, vectors?: Tensor<"float32">): Networks => ({
    adapted: withAdapters,
    precision: () => precisionOf({ inBits: true }),
    async encodeText(ids, skip, signal) {
      const feeds = vectors
        ? { ...pseudoWordFeeds(ids, textConfig.vocab_size, vectors.shape[0]!), vectors }
        : { input_ids: ids };
      const network = text(skip, adapters, vectors !== undefined);
      const { last_hidden_state: hidden } = await run(network, { ...feeds, ...scalesOf(adapters, "text") }, signal);
      return finite(hidden, { name: "text encoder", part: textEncoder });
    },
    noisePredictor: (cut, watch) =>
      createNoisePredictor(sessions, unetFor(adapters, cut), scalesOf(adapters, "unet"), {
        watch,
        ...(stays && { staying: { name: UNET, part: unetPart } }),
      }),
    async decode(latents, { tiled = tiledByDefault(sizeOfLast(latents)), signal } = {}) {
      const decodeWhole = async (part: Tensor<"float32">): Promise<Tensor<"float32">> => {
        const { image } = await run(decoderFor(sizeOfLast(part)), { latents: part }, signal);
        return image as Tensor<"float32">;
      };
      const { factor } = vaeOf();
      const scaled = float32(
        latents.shape,
        latents.data.map((x) => x / factor),
      );
      const decodeAll = async () => ({
        found: await (tiled ? decodeInTiles(scaled, decodeWhole) : decodeWhole(scaled)),
      });
      return (await throughVae(decodeAll)).found;
    },
    async encode(pixels, signal) {
      const { scale, factor } = vaeOf();
      const { height, width } = sizeOfLast(pixels);
      const size = { height: height / scale, width: width / scale };
      const { found, logvar } = await throughVae(async () => {
        const { mean, logvar, latents } = await run(encoderFor(size), { image: pixels }, signal);
        return { found: (mean ?? latents) as Tensor<"float32">, logvar: logvar as Tensor<"float32"> | undefined };
      });
      const deviation = logvar?.data.map((v) => Math.exp(v / 2));
      return { mean: found, deviation, factor };
    },
    async prepare(size, { skip, tiled, branch, merged, maps, signal }) {
      // The largest first: a load takes half as much again as what stays, and is cheapest beside little else.
      const unet = unetFor(adapters, { branch, merged, maps })(size);
      await open(unet.rest, signal);
      await open(text(skip, adapters, vectors !== undefined), signal);
      await open(unet.words, signal);
      if (branch !== undefined) await open(unet.shallow, signal);
      if (!tiled) await open(decoderFor(size), signal);
    },
  });
  return withAdapters([]);
}

function adapted(graph: Graph, adapters: readonly GraphAdapter[]): BuiltGraph {
  return adapters.length > 0 ? adapt(graph, adapters) : { graph };
}

/** Sessions are made for a set of adapters; their scales are told with each call. */
function keyOf(adapters: Adapters): string {
  return adapters.map(({ path }) => path).join("|");
}

function scalesOf(adapters: Adapters, part: "unet" | "text"): Record<string, Tensor> {
  return Object.fromEntries(adapters.map(({ scales }, i) => [scaleName(i), float32([], [scales[part]])]));
}

/** The VAE of a checkpoint, as its config.json describes it. */
export function autoencoderOf({ config, configFile }: ModelPart): Autoencoder {
  return autoencoder(config, configFile);
}

/** The last two dimensions. */
function sizeOfLast({ shape }: Tensor): LatentSize {
  return { height: shape.at(-2)!, width: shape.at(-1)! };
}

const nameOf = ({ height, width }: LatentSize): string => `${height}×${width}`;
