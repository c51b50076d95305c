import type { PictureSource } from "../image/index.ts";
import { processorsOf, type SamplingSettings, writeOn } from "../language/index.ts";
import type { Device } from "../runtime/index.ts";
import { CpuGenerator, float32, InputError, randomSeed, type Tensor } from "../tensor/index.ts";
import { type Clip, clipScore, type Embedding, openClip } from "./clip.ts";
import { type ClipCap, openClipCap } from "./clip-cap.ts";
import { limits, whole } from "./limits.ts";
import { startMachine } from "./machine.ts";
import type { OpeningOptions, SharedMachineOptions } from "./opening.ts";

export interface CaptionerOptions extends SharedMachineOptions, OpeningOptions {
  /** A name of kind "captioner" (see `resolveModel`) or a folder. Default: the one that comes with the package. */
  readonly model?: string;
  /** The CLIP that it was trained with. Default: the one that comes with the package. */
  readonly clip?: string;
  readonly signal?: AbortSignal;
}

export interface CaptionSettings extends Pick<SamplingSettings, "temperature" | "topK" | "topP" | "repetitionPenalty"> {
  /** How many different captions, 1–100, fewer where the captioner keeps saying the same. Default 1. */
  readonly count?: number;
  /** 0 takes the most probable words, which makes one caption. Default: 0 for one, 0.7 for several. */
  readonly temperature?: number;
  /** Tokens of a caption at most, its end included. Default 60. */
  readonly maxLength?: number;
  /** Integer that fixes what is chosen above temperature 0. Default: random. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface Caption {
  readonly text: string;
  /** How well CLIP finds it fits the picture: see `clipScore`. */
  readonly score: number;
}

/** A caption grew by a token. */
export interface CaptionTokenEvent {
  readonly type: "token";
  /** Which text, from 0 on. Texts are written side by side. */
  readonly draw: number;
  readonly id: number;
  /** What the token adds to the text; U+FFFD where it is a part of a character. */
  readonly piece: string;
  /** After all settings, 0–1. */
  readonly probability: number;
}

/** All captions of a picture, the one that fits best first. */
export interface CaptionsEvent {
  readonly type: "captions";
  readonly captions: readonly Caption[];
  readonly seed: number;
}

export type CaptionEvent = CaptionTokenEvent | CaptionsEvent;

/** Describes pictures in words. */
export interface Captioner {
  readonly model: string;
  readonly clip: string;
  readonly device: Device;
  /** Throws an InputError for settings that make no sense. */
  check(settings: CaptionSettings): void;
  /** Tells each token as it is chosen, and in the end the captions. */
  stream(picture: PictureSource, settings?: CaptionSettings): AsyncGenerator<CaptionEvent, void, void>;
  /** The captions alone, the one that fits best first. */
  caption(picture: PictureSource, settings?: CaptionSettings): Promise<readonly Caption[]>;
  /** Gives back what it holds; a runtime that was handed in stays open. */
  close(): Promise<void>;
}

const SEVERAL = { temperature: 0.7 };
/** Rounds of writing before several captions are fewer than were asked for. */
const ROUNDS = 4;

/**
 * Opens a captioner (ClipCap, Mokady et al. 2021) and the CLIP whose embeddings it knows.
 *
 * @throws InputError when a model cannot be found, its files are damaged, or the two do not belong together
 */
export async function openCaptioner(options: CaptionerOptions = {}): Promise<Captioner> {
  const { onNote, env, signal } = options;
  const runtime = options.runtime ?? (await startMachine(options, env)).runtime;
  let clip: Clip | undefined;
  let writer: ClipCap | undefined;
  const close = async (): Promise<void> => {
    await clip?.close();
    await writer?.close();
    if (!options.runtime) await runtime.close();
  };
  try {
    clip = await openClip(options.clip, { runtime, onNote, env });
    writer = await openClipCap(options.model, runtime, { onNote, env, signal });
    checkWidths(writer, clip);
  } catch (error) {
    await close();
    throw error;
  }
  return { model: writer.name, clip: clip.model, device: runtime.device, ...captionerOf(clip, writer), close };
}

function checkWidths({ name, pictureWidth }: ClipCap, { model, dimension }: Clip): void {
  if (pictureWidth === dimension) return;
  throw new InputError(
    `The captioner ${name} wants embeddings of ${pictureWidth} numbers, and the CLIP ${model} gives ${dimension}: ` +
      "name the CLIP that it was trained with.",
  );
}

function captionerOf(clip: Clip, writer: ClipCap): Pick<Captioner, "check" | "stream" | "caption"> {
  async function* stream(picture: PictureSource, settings: CaptionSettings = {}): AsyncGenerator<CaptionEvent> {
    const { count, seed, signal, ...choice } = resolve(settings, writer);
    const [embedding] = (await clip.embedPictures([picture], { signal })) as [Embedding];
    const prefix = repeated(await writer.prefix(embedding, signal), count);
    const texts = new Set<string>();
    for (let round = 0; texts.size < count && round < (choice.temperature > 0 ? ROUNDS : 1); round++) {
      const reader = writer.read({ prefix, signal });
      const { eosId } = writer.tokenizer;
      const written: number[][] = Array.from({ length: count }, () => []);
      const generators = written.map((_, i) => new CpuGenerator(seed + round * count + i));
      const beginnings = written.map(() => [eosId]);
      try {
        for await (const { text, id, probability } of writeOn(reader.readOn, {
          ...choice,
          beginnings,
          eosId,
          generators,
        })) {
          signal?.throwIfAborted();
          if (id === eosId) continue;
          written[text]!.push(id);
          yield { type: "token", draw: round * count + text, id, piece: writer.tokenizer.decode([id]), probability };
        }
      } finally {
        reader.close();
      }
      for (const ids of written) texts.add(writer.tokenizer.decode(ids).trim());
    }
    const captions = await judged([...texts], embedding, clip, signal);
    yield { type: "captions", captions: captions.slice(0, count), seed };
  }
  return {
    check: (settings) => void resolve(settings, writer),
    stream,
    async caption(picture, settings) {
      let captions: readonly Caption[] = [];
      for await (const event of stream(picture, settings)) if (event.type === "captions") captions = event.captions;
      return captions;
    },
  };
}

/** The settings with nothing left open. Throws an InputError for what makes no sense. */
function resolve(settings: CaptionSettings, { room }: ClipCap) {
  const { count = 1, seed = randomSeed(), maxLength = Math.min(60, room - 1) } = settings;
  const { temperature = count > 1 ? SEVERAL.temperature : 0 } = settings;
  whole("count", count, limits.captions);
  whole("max length", maxLength, [1, room - 1]);
  whole("seed", seed, limits.seed);
  if (temperature === 0 && count > 1) {
    throw new InputError(
      `At temperature 0 there is one caption, the most probable; ${count} different ones need a temperature above 0.`,
    );
  }
  processorsOf(settings, { eosId: 0, beginning: 1 });
  // The end of the text before is what a caption begins with.
  return { ...settings, count, seed, temperature, maxLength: maxLength + 1 };
}

/** [1, …] → [count, …] */
function repeated({ shape, data }: Tensor<"float32">, count: number): Tensor<"float32"> {
  const out = new Float32Array(count * data.length);
  for (let i = 0; i < count; i++) out.set(data, i * data.length);
  return float32([count, ...shape.slice(1)], out);
}

async function judged(
  texts: readonly string[],
  picture: Embedding,
  clip: Clip,
  signal?: AbortSignal,
): Promise<readonly Caption[]> {
  const embeddings = await clip.embedTexts(texts, { signal });
  return texts
    .map((text, i) => ({ text, score: clipScore(picture, embeddings[i]!) }))
    .sort((a, b) => b.score - a.score);
}
