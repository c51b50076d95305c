import { defined } from "../tensor/index.ts";
import { parseFields, quoteField } from "./infotext-fields.ts";

/**
 * A1111's infotext: the prompt, a line "Negative prompt: …" where there is one, and a last line
 * "Steps: 20, Sampler: Euler a, …". Whatever reads A1111's pictures reads ours.
 */

/** The settings that an infotext carries. Those of the pipelines have the same names and fit in here. */
export interface InfotextSettings {
  prompt?: string;
  negativePrompt?: string;
  steps?: number;
  width?: number;
  height?: number;
  guidance?: number;
  guidanceRescale?: number;
  guidanceInterval?: readonly [number, number];
  ngms?: number;
  sampler?: string;
  schedule?: string;
  eta?: number;
  seed?: number;
  rng?: "cpu" | "cuda";
  clipSkip?: number;
  model?: string;
  modelHash?: string;
}

export interface Infotext {
  readonly prompt: string;
  readonly negativePrompt: string;
  /** The last line's fields as they stand, in order, quotes taken off. */
  readonly fields: ReadonlyMap<string, string>;
  /** What the fields mean here. Fields that are absent or make no sense are left out. */
  readonly settings: InfotextSettings;
}

const NEGATIVE = "Negative prompt:";
/** Written only when a prompt would not survive A1111's way of reading (it trims lines, for one). */
const EXACT_PROMPT = "Exact prompt";
const EXACT_NEGATIVE = "Exact negative prompt";
/** Names of schedules that A1111 before 1.9 wrote at the end of the sampler's. */
const OLD_SCHEDULES = ["Karras", "Exponential", "Polyexponential", "SGM Uniform"];

/**
 * The infotext of a picture. `extra` fields (VAE, Version …) follow in their order; undefined ones are left out.
 */
export function writeInfotext(
  settings: InfotextSettings,
  extra: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const { prompt = "", negativePrompt = "" } = settings;
  const fields = settingsFields(settings);
  const text = join(prompt, negativePrompt, { ...fields, ...extra });
  const back = parseInfotext(text);
  if (back.prompt === prompt && back.negativePrompt === negativePrompt) return text;
  const exact = {
    [EXACT_PROMPT]: back.prompt === prompt ? undefined : prompt,
    [EXACT_NEGATIVE]: back.negativePrompt === negativePrompt ? undefined : negativePrompt,
  };
  return join(prompt, negativePrompt, { ...fields, ...extra, ...exact });
}

function settingsFields(s: InfotextSettings): Record<string, string | number | undefined> {
  const [from, to] = s.guidanceInterval ?? [0, 1];
  return {
    Steps: s.steps,
    Sampler: s.sampler,
    "Schedule type": s.schedule || undefined,
    "CFG scale": s.guidance,
    Seed: s.seed,
    Size: s.width && s.height ? `${s.width}x${s.height}` : undefined,
    "Model hash": s.modelHash,
    Model: s.model,
    "Clip skip": s.clipSkip,
    // A1111's words: "NV" draws CUDA's numbers on any machine; it says nothing for its own default, the GPU's.
    RNG: s.rng && { cpu: "CPU", cuda: "NV" }[s.rng],
    [/ddim/i.test(s.sampler ?? "") ? "Eta DDIM" : "Eta"]: s.eta,
    "CFG Rescale": s.guidanceRescale || undefined,
    NGMS: s.ngms || undefined,
    "Guidance interval": from === 0 && to === 1 ? undefined : `${from} to ${to}`,
  };
}

function join(prompt: string, negativePrompt: string, fields: Record<string, string | number | undefined>): string {
  const last = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${quoteField(String(value))}`)
    .join(", ");
  return [prompt, negativePrompt && `${NEGATIVE} ${negativePrompt}`, last].filter((part) => part !== "").join("\n");
}

/**
 * Reads an infotext by A1111's rules, in time linear in its length. Never throws: what is no infotext at all is a
 * prompt without fields.
 */
export function parseInfotext(text: string): Infotext {
  const lines = text.trim().split("\n");
  const last = lines.at(-1)!.trim();
  let fields: ReadonlyMap<string, string> = parseFields(last);
  // A prompt may hold a colon or two; A1111 wants three fields. Files of other programs have been seen with fewer.
  if (fields.size < 3 && !/^Steps:\s*\d/.test(last)) fields = new Map();
  else lines.pop();

  const trimmed = lines.map((line) => line.trim());
  const negativeAt = trimmed.findIndex((line) => line.startsWith(NEGATIVE));
  const split = negativeAt < 0 ? trimmed.length : negativeAt;
  const negativeLines = trimmed.slice(split).map((line) => (line.startsWith(NEGATIVE) ? afterNegative(line) : line));
  const prompt = fields.get(EXACT_PROMPT) ?? joinLines(trimmed.slice(0, split));
  const negativePrompt = fields.get(EXACT_NEGATIVE) ?? joinLines(negativeLines);
  return { prompt, negativePrompt, fields, settings: { prompt, negativePrompt, ...fieldSettings(fields) } };
}

function afterNegative(line: string): string {
  return line.slice(NEGATIVE.length).trim();
}

/** A1111 puts a line break only where something stands before it. */
function joinLines(lines: readonly string[]): string {
  const first = lines.findIndex((line) => line !== "");
  return first < 0 ? "" : lines.slice(first).join("\n");
}

function fieldSettings(fields: ReadonlyMap<string, string>): InfotextSettings {
  const number = (key: string): number | undefined => {
    const text = fields.get(key);
    return text && /^-?\d+(\.\d*)?(e[-+]?\d+)?$/i.test(text) && Number.isFinite(Number(text))
      ? Number(text)
      : undefined;
  };
  const integer = (key: string): number | undefined => {
    const value = number(key);
    return Number.isSafeInteger(value) ? value : undefined;
  };
  const size = /^(\d{1,6})x(\d{1,6})$/.exec(fields.get("Size") ?? "");
  const found: InfotextSettings = {
    steps: integer("Steps"),
    width: size ? Number(size[1]) : undefined,
    height: size ? Number(size[2]) : undefined,
    guidance: number("CFG scale"),
    guidanceRescale: number("CFG Rescale"),
    guidanceInterval: interval(fields),
    ngms: number("NGMS"),
    ...samplerAndSchedule(fields.get("Sampler"), fields.get("Schedule type")),
    eta: number("Eta") ?? number("Eta DDIM"),
    seed: integer("Seed"),
    rng: rngOf(fields),
    clipSkip: integer("Clip skip"),
    model: fields.get("Model"),
    modelHash: fields.get("Model hash"),
  };
  return defined(found);
}

function samplerAndSchedule(sampler: string | undefined, schedule: string | undefined): InfotextSettings {
  // "Automatic" is A1111's word for whatever suits the sampler, which is our word for nothing.
  if (schedule !== undefined) return { sampler, schedule: schedule === "Automatic" ? undefined : schedule };
  const old = OLD_SCHEDULES.find((name) => sampler?.endsWith(` ${name}`));
  return old ? { sampler: sampler!.slice(0, -old.length - 1), schedule: old } : { sampler };
}

/** Absent where there is a seed, it means A1111's default: the GPU's numbers. */
function rngOf(fields: ReadonlyMap<string, string>): "cpu" | "cuda" | undefined {
  const rng = fields.get("RNG");
  if (rng === undefined) return fields.has("Seed") ? "cuda" : undefined;
  return rng === "CPU" ? "cpu" : rng === "NV" || rng === "GPU" ? "cuda" : undefined;
}

function interval(fields: ReadonlyMap<string, string>): readonly [number, number] | undefined {
  const [from, to] = (fields.get("Guidance interval") ?? "").split(" to ").map(Number);
  return from !== undefined && to !== undefined && from >= 0 && to >= from && to <= 1 ? [from, to] : undefined;
}
