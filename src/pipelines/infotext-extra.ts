import { basename, resolve } from "node:path";
// Not the room's index, which loads more: the command line refuses wrong settings before anything else.
import { type PredictionType, predictionTypes } from "../configs/prediction.ts";
import type { CheckpointOptions } from "../weights/index.ts";
import { limits } from "./limits.ts";
import type { ResolvedSettings } from "./settings.ts";
import { version } from "./version.ts";

/** What a picture depends on beside its own settings. */
export interface DrawnWith extends Pick<CheckpointOptions, "vae" | "config" | "variant" | "prediction"> {
  /** Which picture of how many this is, from 0. */
  readonly picture?: number;
  readonly count?: number;
}

/** Fields that follow A1111's own in an infotext: all that is needed to draw the picture again, and who drew it. */
export function extraFields(
  { goal, noise, strength, maskBlur, schedulerConfig = {}, tiling, width, height }: ResolvedSettings,
  { vae, config, variant, prediction, picture = 0, count = 1 }: DrawnWith = {},
): Record<string, string | number | undefined> {
  // The folders of whoever drew it are nobody's business.
  const name = (path: string | undefined) => path && basename(resolve(path));
  const overrides = JSON.stringify(schedulerConfig);
  return {
    Goal: goal,
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
    Version: `inkling ${version()}`,
  };
}

/** What the fields of an infotext say beside the settings. */
export interface ReadExtra {
  /** The name of the goal that the settings came from, for people: the numbers are what counts. */
  readonly goal?: string | undefined;
  readonly prediction?: PredictionType | undefined;
  readonly schedulerConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly tiling?: boolean | undefined;
  /** Of a picture to start from, and of its mask. */
  readonly strength?: number | undefined;
  readonly maskBlur?: number | undefined;
  /** Names of fields that change the picture and cannot be taken over. */
  readonly lost: readonly string[];
}

/** Ours first, then those of A1111 and its extensions. */
const LOST = [
  ...["VAE", "Config", "Variant", "Noise"],
  ...["Hires upscale", "Variation seed", "ENSD", "Lora hashes", "TI hashes"],
];

/** The counterpart of {@link extraFields}. What makes no sense is left out. */
export function readExtra(fields: ReadonlyMap<string, string>): ReadExtra {
  return {
    goal: fields.get("Goal"),
    prediction: predictionTypes.find((type) => type === fields.get("Prediction")),
    schedulerConfig: readOverrides(fields.get("Scheduler config")),
    tiling: { on: true, off: false }[fields.get("Tiled decoding") ?? ""],
    // A1111's second pass has one too, and starts from its own first.
    strength: fields.has("Hires upscale") ? undefined : within(limits.strength, fields.get("Denoising strength")),
    maskBlur: within(limits.maskBlur, fields.get("Mask blur")),
    lost: LOST.filter((field) => fields.has(field)),
  };
}

function within([low, high]: readonly [number, number], text = ""): number | undefined {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  return value >= low && value <= high ? value : undefined;
}

function readOverrides(text = ""): Record<string, unknown> | undefined {
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null && !Array.isArray(found) ? { ...found } : undefined;
  } catch {
    return undefined;
  }
}
