import { setTimeout as nextTurn } from "node:timers/promises";
import {
  encodePicture,
  formatOfName,
  type Picture,
  type ReadOptions,
  readPicture,
  saveBytes,
  writeInfotext,
} from "../image/index.ts";
import { type Device, explainFailure, type Runtime } from "../runtime/index.ts";
import { InputError } from "../tensor/index.ts";
import { type ClipTokenizer, createClipTokenizer, readTokenizerConfig } from "../text/index.ts";
import { findNonFinite } from "../weights/index.ts";
import { openAdapters } from "./adapters.ts";
import type { InitPicture } from "./beginning.ts";
import { type Drawn, judged } from "./best-of.ts";
import { openClip } from "./clip.ts";
import type { BestEvent, DrawingEvent, EventBesideSteps, GenerateEvent, StepProgress } from "./events.ts";
import { type FactsOptions, modelFacts } from "./facts.ts";
import { type DrawnWith, extraFields } from "./infotext-extra.ts";
import { initPicture } from "./init-picture.ts";
import { startMachine } from "./machine.ts";
import { withMeasured } from "./measured-convolutions.ts";
import { modelHash } from "./model-hash.ts";
import { type AppliedAdapter, createNetworks, type Networks, type NetworksOptions } from "./networks.ts";
import type { MachineOptions } from "./opening.ts";
import { picturePrompts } from "./picture-prompts.ts";
import { openPseudoWords, type PseudoWords } from "./pseudo-words.ts";
import { remarks } from "./remarks.ts";
import { type ModelFacts, resolveSettings } from "./resolve.ts";
import type { SessionsOptions } from "./sessions.ts";
import type { GenerateSettings, ImageToImageSettings, InpaintSettings, ResolvedSettings } from "./settings.ts";
import { cutOf, type DrawingTools, textToImage, textToImageUnseen } from "./text-to-image.ts";
import { checkPrompts, plainWords } from "./words.ts";

export interface LoadOptions extends FactsOptions, MachineOptions {
  /**
   * How convolutions are computed on the CPU: all in one form, or within a budget for larger weights. Default: each in the
   * form that is fastest by what was measured on this machine (`inkling doctor --plan --measure`), else by an estimate.
   */
  readonly convolutions?: SessionsOptions["convolutions"];
  /**
   * What the networks are computed in: "float16" takes half the memory, on graphics devices that have it, and gives a
   * picture that is very nearly the same. Default "auto": float16 where there is it, else float32.
   */
  readonly precision?: SessionsOptions["precision"];
  /**
   * Whether latents stay with the runtime from step to step in drawings that nobody looks into (`progress`, `generate`).
   * Default: on graphics devices, where the way there and back would take time at every step.
   */
  readonly latentsStay?: NetworksOptions["latentsStay"];
}

/** A finished picture, with everything that is needed to draw it again. */
export interface DrawnImage extends Picture {
  readonly settings: ResolvedSettings;
  /** A1111's infotext, as it stands in the saved file. */
  readonly infotext: string;
  /** How well it fits its prompt, where it is the best of several candidates: see `clipScore`. */
  readonly score?: number;
  /** Writes a PNG, JPEG or WebP, whichever the name ends in; refuses to replace a file unless told to. */
  save(path: string, options?: { overwrite?: boolean }): Promise<void>;
}

export type Events<Event = GenerateEvent> = AsyncGenerator<Event, void, void>;

/** Settings of a picture whose steps nobody looks into. */
export type UnseenSettings = Omit<GenerateSettings, "preview" | "inside">;

/** A model, ready to draw. The networks are loaded with the first picture. */
export interface Inkling {
  readonly model: string;
  readonly device: Device;
  readonly facts: ModelFacts;
  /** What it is made of, for those who look inside. */
  readonly parts: OpenModel;
  /** The settings that a picture would be drawn with. Throws an InputError for what cannot be. */
  resolve(settings: GenerateSettings): ResolvedSettings;
  /**
   * Draws, saying every step of the way. Ends with an AbortError when the signal fires. Runs may overlap; those of
   * different sizes take the U-Net's place in memory from each other at every step, so draw these one after another.
   */
  stream(settings: GenerateSettings): Events;
  /**
   * As `stream`, for those who want to know how far it is: steps tell no latents, which then need not leave a graphics
   * device.
   */
  progress(settings: UnseenSettings): Events<DrawingEvent>;
  generate(settings: GenerateSettings): Promise<{ images: DrawnImage[] }>;
  /**
   * Draws a picture again with other words: `generate` with `image`, from a file, bytes or pixels. Transparency counts as
   * white. Rejects with an InputError for what is no picture.
   */
  imageToImage(settings: ImageToImageSettings): Promise<{ images: DrawnImage[] }>;
  /** Draws a part of a picture anew: `generate` with `image` and `mask`. In the mask transparency counts as black. */
  inpaint(settings: InpaintSettings): Promise<{ images: DrawnImage[] }>;
  close(): Promise<void>;
}

/** A model that was found, opened and given a runtime; nothing is loaded yet. */
export interface OpenModel {
  readonly facts: ModelFacts;
  readonly runtime: Runtime;
  /** Why it runs on this device. */
  readonly reason: string;
  readonly networks: Networks;
  readonly tokenizer: ClipTokenizer;
  resolve(settings: GenerateSettings): ResolvedSettings;
}

/** As `load`, for those who want the parts. */
export async function open(model: string | undefined, options: LoadOptions): Promise<OpenModel> {
  // The inference process takes as long to start as the files take to be looked at: both at once.
  const [started, opened] = await Promise.allSettled([startMachine(options, options.env), openFiles(model, options)]);
  if (started.status === "rejected") throw started.reason;
  const { runtime, choice } = started.value;
  if (opened.status === "rejected") {
    await runtime.close();
    throw opened.reason;
  }
  const { onNote = () => {}, env, threads, precision, latentsStay } = options;
  const { facts, tokenizer } = opened.value;
  try {
    const convolutions = await withMeasured(options.convolutions, runtime.device, { threads, env, onNote });
    return {
      facts,
      runtime,
      reason: choice.reason,
      networks: createNetworks(facts.checkpoint, runtime, {
        onNote,
        findNonFinite,
        convolutions,
        ...(precision && { precision }),
        ...(latentsStay !== undefined && { latentsStay }),
        weights: facts.weights,
      }),
      tokenizer,
      resolve: (settings) => resolveSettings(settings, facts),
    };
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

/** What a model's files say, without their weights. */
async function openFiles(
  model: string | undefined,
  options: FactsOptions,
): Promise<Pick<OpenModel, "facts" | "tokenizer">> {
  const facts = await modelFacts(model, options);
  const { merges, vocab, ...configs } = facts.checkpoint.tokenizer;
  await nextTurn();
  return { facts, tokenizer: createClipTokenizer({ merges, vocab, ...readTokenizerConfig(configs) }) };
}

/**
 * Opens a model: the embedded one, a folder in diffusers' layout, a single .safetensors file, or a name (see
 * `resolveModel`).
 *
 * @throws InputError when the model cannot be found or its files are damaged
 */
export async function load(model?: string, options: LoadOptions = {}): Promise<Inkling> {
  const { onNote = () => {}, env = process.env } = options;
  const parts = await open(model, options);
  const { facts, runtime, reason, networks: plainNetworks, tokenizer, resolve } = parts;
  const { name, checkpoint } = facts;
  let loaded = false;

  async function* draw<Step extends StepProgress>(
    settings: ResolvedSettings,
    drawing: Drawing<Step>,
    {
      preview,
      inside,
      init,
      prompts,
      adapters,
      words,
      signal,
    }: Pick<GenerateSettings, "preview" | "inside" | "signal"> &
      Pick<DrawingTools, "init" | "prompts"> & {
        readonly adapters: readonly AppliedAdapter[];
        readonly words: PseudoWords;
      },
  ): Events<EventBesideSteps | Step> {
    signal?.throwIfAborted();
    const networks = plainNetworks.adapted(adapters, words.vectors);
    const hash = modelHash(checkpoint, env);
    // Awaited only when a picture is done; a failure must not become an unhandled rejection before that.
    hash.catch(() => {});
    const start = performance.now();
    const size = { height: settings.height / facts.scale, width: settings.width / facts.scale };
    try {
      const options = { skip: (settings.clipSkip ?? 1) - 1, tiled: settings.tiling, signal };
      await networks.prepare(size, { ...options, ...cutOf(settings, { inside }) });
    } catch (error) {
      signal?.throwIfAborted();
      throw await explainFailure(error, runtime.device);
    }
    const seconds = (performance.now() - start) / 1000;
    const precision = await networks.precision();
    if (!loaded) yield { type: "model", model: name, device: runtime.device, reason, precision, seconds };
    loaded = true;
    const previewFactors = preview ? facts.defaults.previewFactors : undefined;
    const { tokenizer } = words;
    const tools: DrawingTools = { ...facts, networks, tokenizer, signal, previewFactors, inside, init, prompts };
    let embeddings: ResolvedSettings["embeddings"];
    for await (const event of drawing(settings, tools)) {
      if (event.type === "tokens") embeddings = words.usedIn(event.texts);
      if (event.type !== "image") yield event;
      else yield { ...event, settings: { ...event.settings, embeddings, modelHash: (await hash).slice(0, 10) } };
    }
  }

  async function* drawAsked<Step extends StepProgress>(
    { signal, preview = false, inside = false, ...asked }: GenerateSettings,
    drawing: Drawing<Step>,
  ): Events<EventBesideSteps | Step> {
    const settings = resolve(asked);
    const { image, mask, keepUnmasked = true } = asked;
    const { maskBlur = 0 } = settings;
    const init = image ? await initPicture({ image, mask, maskBlur, keepUnmasked }, settings) : asked.init;
    if (init) checkSizes(init, settings);
    for (const line of remarks(asked, settings, facts)) onNote(line);
    const adapters = await openAdapters({ ...asked, ...settings, adapters: asked.adapters }, checkpoint, onNote);
    const words = await openPseudoWords(asked.embeddings ?? [], facts, tokenizer, onNote);
    const prompts = asked.wildcards && (await picturePrompts(settings, asked.wildcards));
    const { bestOf: of = 1, ...each } = settings;
    for (const own of prompts ?? []) {
      checkPrompts({ ...settings, ...own }, settings.steps);
      if (of > 1) plainWords({ ...settings, ...own });
    }
    const tools = { preview, inside, init, adapters, words, signal };
    if (of === 1) return yield* draw(settings, drawing, { ...tools, prompts });
    const clip = await openClip(asked.clip, { runtime, onNote, env });
    try {
      // Candidates for one picture have one prompt.
      const candidates = prompts?.flatMap((own) => Array.from({ length: of }, () => own));
      const all = draw({ ...each, count: settings.count * of }, drawing, { ...tools, prompts: candidates });
      yield* judged(all, settings, { clip, of, signal });
    } finally {
      await clip.close();
    }
  }

  const inkling: Inkling = {
    model: name,
    device: runtime.device,
    facts,
    parts,
    resolve,
    stream: (settings) => drawAsked(settings, textToImage),
    progress: (settings) => drawAsked({ ...settings, preview: false, inside: false }, textToImageUnseen),
    async generate(settings) {
      const images: DrawnImage[] = [];
      const { bestOf = 1, count = 1 } = settings;
      const candidates = new Map<number, Drawn>();
      const keep = ({ image, picture, settings: drawn }: Drawn, by?: BestEvent): void => {
        const drawnWith = { ...options, picture, count: count * bestOf, judged: by };
        images.push({ ...drawnImage(image, drawn, drawnWith), ...(by && { score: by.score }) });
      };
      for await (const event of inkling.progress(settings)) {
        if (event.type === "image" && bestOf === 1) keep(event);
        else if (event.type === "image") {
          const { pixels: _, ...drawn } = event;
          candidates.set(event.picture, drawn);
        } else if (event.type === "best") {
          keep(candidates.get(event.picture)!, event);
          candidates.clear();
        }
      }
      return { images };
    },
    async imageToImage({ image, ...settings }) {
      return inkling.generate({ ...settings, image: await readPicture(image) });
    },
    async inpaint({ image, mask, ...settings }) {
      const [below, above] = await Promise.all([readPicture(image), readPicture(mask, MASK)]);
      return inkling.generate({ ...settings, image: below, mask: above });
    },
    async close() {
      await runtime.close();
    },
  };
  return inkling;
}

/** A way to draw, by what its steps tell. */
type Drawing<Step> = (settings: ResolvedSettings, tools: DrawingTools) => Events<EventBesideSteps | Step>;

/** What was not painted on a transparent mask stays. */
const MASK: ReadOptions = { background: "black" };

/** A picture to start from has to be of the size that is drawn, and so has its mask. */
function checkSizes({ picture, mask }: InitPicture, { width, height }: ResolvedSettings): void {
  for (const [what, { shape }, channels] of [
    ["picture", picture, 3],
    ...(mask ? [["mask", mask, 1] as const] : []),
  ] as const) {
    const wanted = [1, channels, height, width];
    if (shape.join() === wanted.join()) continue;
    throw new InputError(
      `The ${what} to start from has the shape [${shape}]; drawing ${width}×${height} wants [${wanted}].`,
    );
  }
}

function drawnImage(picture: Picture, settings: ResolvedSettings, drawnWith: DrawnWith): DrawnImage {
  const infotext = writeInfotext(settings, extraFields(settings, drawnWith));
  return {
    ...picture,
    settings,
    infotext,
    async save(path, options) {
      const format = formatOfName(path);
      if (!format)
        throw new InputError(`"${path}" does not say which kind of picture it is: end it in .png, .jpg or .webp.`);
      await saveBytes(path, await encodePicture(picture, format, infotext), options);
    },
  };
}
