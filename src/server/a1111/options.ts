import type { DrawRequest } from "../schema/draw.ts";

/** What A1111's options can say of a drawing here. */
export type OptionSettings = Pick<DrawRequest, "model" | "clipSkip" | "rng" | "tokenMerging" | "emphasis">;

const RNG: Readonly<Record<string, "cpu" | "cuda">> = { CPU: "cpu", NV: "cuda", GPU: "cuda" };
const EMPHASIS: Readonly<Record<string, NonNullable<DrawRequest["emphasis"]>>> = {
  Original: "original",
  "No norm": "no-norm",
  Ignore: "off",
};

/** Options by A1111's names: what each says of a drawing, or undefined for a value that is none of its. */
const OPTIONS: Readonly<Record<string, (value: unknown) => OptionSettings | undefined>> = {
  sd_model_checkpoint: (value) => (typeof value === "string" ? { model: modelName(value) } : undefined),
  CLIP_stop_at_last_layers: (value) => (typeof value === "number" ? { clipSkip: value } : undefined),
  randn_source: (value) => (RNG[String(value)] ? { rng: RNG[String(value)] } : undefined),
  token_merging_ratio: (value) => (typeof value === "number" ? { tokenMerging: value || undefined } : undefined),
  emphasis: (value) => (EMPHASIS[String(value)] ? { emphasis: EMPHASIS[String(value)] } : undefined),
};
/** Options that are what they are: a client may send them back as it was told. */
const FIXED: Readonly<Record<string, unknown>> = { samples_format: "png", samples_save: true, sd_checkpoint_hash: "" };

/** Options as settings, and the names of those that mean nothing here. */
export function readOptions(values: Readonly<Record<string, unknown>>): {
  readonly settings: OptionSettings;
  readonly unknown: readonly string[];
} {
  const settings: OptionSettings = {};
  const unknown: string[] = [];
  for (const [name, value] of Object.entries(values)) {
    if (value === null || (Object.hasOwn(FIXED, name) && FIXED[name] === value)) continue;
    const read = Object.hasOwn(OPTIONS, name) ? OPTIONS[name]!(value) : undefined;
    if (read) Object.assign(settings, read);
    else unknown.push(name.slice(0, 100));
  }
  return { settings, unknown };
}

/** Settings as A1111's options. */
export function toldOptions({ model, clipSkip, rng = "cpu", tokenMerging = 0, emphasis = "original" }: OptionSettings) {
  return {
    ...FIXED,
    sd_model_checkpoint: model ?? null,
    CLIP_stop_at_last_layers: clipSkip ?? 1,
    randn_source: rng === "cpu" ? "CPU" : "NV",
    token_merging_ratio: tokenMerging,
    emphasis: Object.keys(EMPHASIS).find((name) => EMPHASIS[name] === emphasis) ?? null,
  };
}

/** A1111's titles end in a hash: "name.safetensors [0123456789]". */
function modelName(title: string): string {
  return title.replace(/ \[[0-9a-f]{10}\]$/, "").replace(/\.(safetensors|ckpt)$/, "");
}
