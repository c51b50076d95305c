import { basename, resolve } from "node:path";
// Not the room's index, which loads more: the command line refuses wrong settings before anything else.
import { type PredictionType, predictionTypes } from "../configs/prediction.ts";
import type { CheckpointOptions } from "../weights/index.ts";
import { type Emphasis, emphases } from "./emphasis.ts";
import type { ScoreEvent } from "./events.ts";
import { limits, type WeightForm, weightForms } from "./limits.ts";
import { type PromptSyntax, promptSyntaxes, type ResolvedSettings } from "./settings.ts";
import { version } from "./version.ts";

/** What a picture depends on beside its own settings. */
export interface DrawnWith extends Pick<CheckpointOptions, "vae" | "config" | "variant" | "prediction"> {
  /** Which picture of how many this is, from 0. */
  readonly picture?: number;
  readonly count?: number;
  /** Where it was judged by its prompt. */
  readonly judged?: Pick<ScoreEvent, "score" | "clip" | "of" | "picture">;
}

/** Fields that follow A1111's own in an infotext: all that is needed to draw the picture again, and who drew it. */
export function extraFields(
  settings: ResolvedSettings,
  { vae, config, variant, prediction, picture = 0, count = 1, judged }: DrawnWith = {},
): Record<string, string | number | undefined> {
  const { goal, noise, strength, maskBlur, schedulerConfig = {}, tiling, width, height } = settings;
  const { promptSyntax, emphasis } = settings;
  // The folders of whoever drew it are nobody's business.
  const name = (path: string | undefined) => path && basename(resolve(path));
  const overrides = JSON.stringify(schedulerConfig);
  return {
    Goal: goal,
    "Prompt syntax": promptSyntax === "plain" ? promptSyntax : undefined,
    // Without syntax there is nothing to emphasize.
    Emphasis: promptSyntax === "plain" ? undefined : EMPHASIS_NAMES[emphasis],
    "Wildcard prompt": settings.wildcardPrompt,
    "Wildcard negative prompt": settings.wildcardNegativePrompt,
    DeepCache: settings.deepCache,
    "DeepCache branch": settings.deepCacheBranch,
    "DeepCache from": settings.deepCacheFrom || undefined,
    "DeepCache late": settings.deepCacheLate,
    "Token merging ratio": settings.tokenMerging,
    Adapters: settings.adapters?.map(({ name: adapter, scale }) => `${adapter}:${scale}`).join(", "),
    "TI hashes": tiHashes(settings),
    Weights: settings.weights,
    VAE: name(vae),
    Config: name(config),
    Variant: variant,
    Prediction: prediction,
    "Scheduler config": overrides === "{}" ? undefined : overrides,
    "Denoising strength": strength,
    // Of a picture with a mask, 0 too: it tells that there was one.
    "Mask blur": maskBlur,
    // Small pictures are decoded whole unless told otherwise.
    "Tiled decoding": tiling ? "on" : width * height > 1024 * 1024 ? "off" : undefined,
    // One picture's noise is the same by either way.
    ...(noise === "batch" && count > 1 && { Noise: noise, "Batch size": count, "Batch pos": picture }),
    ...(judged && {
      "CLIP score": judged.score.toFixed(2),
      CLIP: judged.clip,
      Candidate: `${(judged.picture % judged.of) + 1} of ${judged.of}`,
    }),
    Version: `inkling ${version()}`,
  };
}

/** As A1111 writes it: twelve digits of each, and names without what parts the entries. */
function tiHashes({ embeddings = [] }: ResolvedSettings): string | undefined {
  const entries = embeddings.map(({ name, hash }) => `${name.replace(/[:,]/g, "")}: ${hash.slice(0, 12)}`);
  return entries.join(", ") || undefined;
}

/** A1111's words where it has them; it does not write its own default. */
const EMPHASIS_NAMES: Readonly<Record<Emphasis, string | undefined>> = {
  original: undefined,
  "no-norm": "No norm",
  off: "Ignore",
  joined: "Joined",
  "from-empty": "From empty",
};

/** A prompt that was written, beside its own text. */
export interface WrittenWith {
  /** The words that were given to the writer. */
  readonly beginning: string;
  /** The writer's model: a name or a path. */
  readonly model: string;
  readonly seed: number;
  readonly temperature?: number;
  readonly maxLength?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
}

const WRITER_FIELDS = [
  "Beginning",
  "Writer",
  "Writer seed",
  "Writer temperature",
  "Writer max length",
  "Writer top-k",
  "Writer top-p",
  "Writer repetition penalty",
] as const;

/** Fields that tell the user's own words from the writer's, and how to write the same again. */
export function writerFields(
  written: WrittenWith,
): Record<(typeof WRITER_FIELDS)[number], string | number | undefined> {
  return {
    Beginning: written.beginning || undefined,
    Writer: basename(resolve(written.model)),
    "Writer seed": written.seed,
    "Writer temperature": written.temperature ?? 1,
    "Writer max length": written.maxLength,
    "Writer top-k": written.topK,
    "Writer top-p": written.topP,
    "Writer repetition penalty": written.repetitionPenalty,
  };
}

/** Fields that tell where a prompt is from: who draws it again keeps them. */
export const provenanceFields: readonly string[] = ["Caption", "Original prompt", ...WRITER_FIELDS];

/** What the fields of an infotext say beside the settings. */
export interface ReadExtra {
  /** The name of the goal that the settings came from, for people: the numbers are what counts. */
  readonly goal?: string | undefined;
  readonly promptSyntax?: PromptSyntax | undefined;
  readonly emphasis?: Emphasis | undefined;
  readonly prediction?: PredictionType | undefined;
  readonly weights?: WeightForm | undefined;
  readonly schedulerConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly tiling?: boolean | undefined;
  readonly deepCache?: number | undefined;
  readonly deepCacheBranch?: number | undefined;
  readonly deepCacheFrom?: number | undefined;
  readonly deepCacheLate?: number | undefined;
  readonly tokenMerging?: number | undefined;
  /** Of a picture to start from, and of its mask. */
  readonly strength?: number | undefined;
  readonly maskBlur?: number | undefined;
  /** Names of fields that change the picture and cannot be taken over. */
  readonly lost: readonly string[];
}

/** Ours first, then those of A1111 and its extensions. */
const LOST = [
  ...["Adapters", "VAE", "Config", "Variant", "Noise"],
  ...["Skip Early CFG", "NGMS all steps", "Hires upscale", "Variation seed", "ENSD", "Lora hashes", "TI hashes"],
];

/** The counterpart of {@link extraFields}. What makes no sense is left out. */
export function readExtra(fields: ReadonlyMap<string, string>): ReadExtra {
  const emphasis = fields.get("Emphasis") ?? "Original";
  const known = emphases.find((name) => (EMPHASIS_NAMES[name] ?? "Original") === emphasis);
  return {
    goal: fields.get("Goal"),
    promptSyntax: promptSyntaxes.find((name) => name === fields.get("Prompt syntax")),
    emphasis: known === "original" ? undefined : known,
    prediction: predictionTypes.find((type) => type === fields.get("Prediction")),
    weights: weightForms.find((form) => form === fields.get("Weights")),
    schedulerConfig: readOverrides(fields.get("Scheduler config")),
    tiling: { on: true, off: false }[fields.get("Tiled decoding") ?? ""],
    deepCache: wholeWithin(limits.deepCache, fields.get("DeepCache")),
    deepCacheBranch: wholeWithin(limits.deepCacheBranch, fields.get("DeepCache branch")),
    deepCacheFrom: within(limits.deepCacheFrom, fields.get("DeepCache from")),
    deepCacheLate: wholeWithin(limits.deepCacheLate, fields.get("DeepCache late")),
    tokenMerging: within(limits.tokenMerging, fields.get("Token merging ratio")),
    // A1111's second pass has one too, and starts from its own first.
    strength: fields.has("Hires upscale") ? undefined : within(limits.strength, fields.get("Denoising strength")),
    maskBlur: within(limits.maskBlur, fields.get("Mask blur")),
    // A1111's "None" takes brackets for words.
    lost: [...LOST.filter((field) => fields.has(field)), ...(known ? [] : ["Emphasis"])],
  };
}

function within([low, high]: readonly [number, number], text = ""): number | undefined {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return value >= low && value <= high ? value : undefined;
}

function wholeWithin(range: readonly [number, number], text = ""): number | undefined {
  const value = within(range, text);
  return Number.isInteger(value) ? value : undefined;
}

function readOverrides(text = ""): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found) ? { ...found } : undefined;
  } catch {
    return undefined;
  }
}
