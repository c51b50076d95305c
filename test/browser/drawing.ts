/** Whole runs in the page: what a checkpoint's files say comes as JSON, its weights are fetched from the server. */
import { createNetworks, type Networks } from "../../src/pipelines/networks.ts";
import { type ModelFacts, resolveSettings } from "../../src/pipelines/resolve.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { textToImage, textToImageUnseen } from "../../src/pipelines/text-to-image.ts";
import type { Runtime } from "../../src/runtime/web.ts";
import type { StoredTensor } from "../../src/tensor/index.ts";
import { type ClipTokenizer, createClipTokenizer, readTokenizerConfig } from "../../src/text/index.ts";
import type { Checkpoint, ModelPart } from "../../src/weights/index.ts";
import { type Drawn, drawnOf } from "../support/drawn.ts";
import { type Packed, pack, unpack } from "./packed.ts";

/** A network whose weights lie at addresses. */
export interface PagePart extends Omit<ModelPart, "weights"> {
  readonly weights: readonly (readonly [name: string, stored: StoredTensor])[];
}

type Parts = "unet" | "textEncoder" | "vae";

export interface PageCheckpoint extends Omit<Checkpoint, Parts | "hash">, Readonly<Record<Parts, PagePart>> {}

export interface PageFacts extends Omit<ModelFacts, "checkpoint"> {
  readonly checkpoint: PageCheckpoint;
}

export interface PackedDrawn {
  readonly start: { readonly noise: Packed; readonly initNoiseSigma: number; readonly initial: Packed };
  readonly tokens: { readonly cond: Packed; readonly uncond?: Packed };
  readonly steps: readonly { readonly timestep: number; readonly latents: Packed }[];
  readonly pixels: Packed;
  readonly image: Packed;
}

export interface Drawing {
  draw(settings: GenerateSettings, picture: number): Promise<PackedDrawn>;
  /** The pixels where nobody looks into steps, and whether predictions crossed for them. */
  drawUnseen(settings: GenerateSettings): Promise<{ readonly pixels: Packed; readonly crossed: boolean }>;
}

export function createDrawing({ checkpoint: described, ...rest }: PageFacts, runtime: Runtime): Drawing {
  const checkpoint: Checkpoint = {
    ...described,
    unet: partOf(described.unet),
    textEncoder: partOf(described.textEncoder),
    vae: partOf(described.vae),
    hash: () => Promise.reject(new Error("A page has no files to hash.")),
  };
  const facts: ModelFacts = { ...rest, checkpoint };
  const { merges, vocab, ...configs } = checkpoint.tokenizer;
  const tokenizer: ClipTokenizer = createClipTokenizer({ merges, vocab, ...readTokenizerConfig(configs) });
  const networks: Networks = createNetworks(checkpoint, runtime);
  return {
    async draw(asked, picture) {
      const settings = resolveSettings(asked, facts);
      return packDrawn(await drawnOf(textToImage(settings, { ...facts, networks, tokenizer }), picture));
    },
    async drawUnseen(asked) {
      let crossed = false;
      const watched: Networks = {
        ...networks,
        noisePredictor(...about) {
          const { predict, ...unet } = networks.noisePredictor(...about);
          return {
            ...unet,
            predict(...feeds) {
              crossed = true;
              return predict(...feeds);
            },
          };
        },
      };
      let pixels: Packed | undefined;
      for await (const event of textToImageUnseen(resolveSettings(asked, facts), {
        ...facts,
        networks: watched,
        tokenizer,
      }))
        if (event.type === "image") pixels = pack(event.pixels);
      return { pixels: pixels!, crossed };
    },
  };
}

function partOf({ weights, ...network }: PagePart): ModelPart {
  const tensors = new Map(weights);
  return {
    ...network,
    weights: {
      get: (name) => tensors.get(name),
      names: () => tensors.keys(),
      describe: () => weights[0]![1].file,
      files: () => [...new Set(weights.map(([, { file }]) => file))],
    },
  };
}

function packDrawn({ start, tokens, steps, image }: Drawn): PackedDrawn {
  const { data } = image.image;
  return {
    start: { noise: pack(start.noise), initNoiseSigma: start.initNoiseSigma, initial: pack(start.initial) },
    tokens: { cond: pack(tokens.cond), uncond: tokens.uncond && pack(tokens.uncond) },
    steps: steps.map(({ timestep, latents }) => ({ timestep, latents: pack(latents) })),
    pixels: pack(image.pixels),
    image: pack({ dtype: "uint8", shape: [data.length], data }),
  };
}

export function unpackDrawn({ start, tokens, steps, pixels, image }: PackedDrawn): Drawn {
  const numbers = (packed: Packed) => unpack(packed) as Drawn["start"]["noise"];
  const ids = (packed: Packed) => unpack(packed) as Drawn["tokens"]["cond"];
  return {
    start: { ...start, noise: numbers(start.noise), initial: numbers(start.initial) },
    tokens: { cond: ids(tokens.cond), uncond: tokens.uncond && ids(tokens.uncond) },
    steps: steps.map(({ timestep, latents }) => ({ timestep, latents: numbers(latents) })),
    image: { pixels: numbers(pixels), image: { data: unpack(image).data as Uint8Array } },
  };
}
