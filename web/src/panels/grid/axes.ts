import type { DrawRequest } from "../../../../src/server/schema/index.ts";
import type { MessageKey } from "../../i18n/i18n.ts";
import type { Facts } from "../../state/facts.svelte.ts";

/** A setting that changes along a side of the sheet. */
export interface Axis {
  readonly label: MessageKey;
  readonly kind: "numbers" | "names" | "words";
  /** What can be chosen, where it is names. */
  choices?(facts: Facts): readonly string[];
  readonly example: string;
  /** The request with one of the values. */
  apply(request: DrawRequest, value: string, first: string): DrawRequest;
}

const number = (
  key: "steps" | "guidance" | "seed" | "strength" | "clipSkip" | "guidanceRescale" | "deepCache" | "tokenMerging",
  label: MessageKey,
  example: string,
): Axis => ({ label, kind: "numbers", example, apply: (request, value) => ({ ...request, [key]: Number(value) }) });

export const AXES = {
  steps: number("steps", "set.steps", "5, 10, 20, 40"),
  guidance: number("guidance", "set.guidance", "1, 4, 7, 12"),
  seed: number("seed", "set.seed", "1-4"),
  sampler: {
    label: "set.sampler",
    kind: "names",
    example: "Euler, Euler a, DPM++ 2M",
    choices: ({ options }) => options?.samplers.map(({ name }) => name) ?? [],
    apply: (request, sampler) => ({ ...request, sampler }),
  },
  schedule: {
    label: "set.schedule",
    kind: "names",
    example: "normal, karras, exponential",
    choices: ({ options }) => options?.schedules.map(({ name }) => name) ?? [],
    apply: (request, schedule) => ({ ...request, schedule }),
  },
  model: {
    label: "set.model",
    kind: "names",
    example: "inkdrop-256",
    choices: ({ models }) => models.map(({ name }) => name),
    apply: (request, model) => ({ ...request, model }),
  },
  words: {
    label: "grid.words",
    kind: "words",
    example: "blue, green, brown",
    // A1111's "Prompt S/R": the first is looked for in the prompt, each takes its place.
    apply: (request, value, first) => ({ ...request, prompt: request.prompt.replaceAll(first, value) }),
  },
  strength: number("strength", "set.strength", "0.3, 0.5, 0.7, 0.9"),
  clipSkip: number("clipSkip", "set.clipSkip", "1, 2"),
  guidanceRescale: number("guidanceRescale", "set.rescale", "0, 0.4, 0.7"),
  deepCache: number("deepCache", "set.deepCache", "1, 2, 3"),
  tokenMerging: number("tokenMerging", "set.merging", "0, 0.25, 0.5"),
} as const satisfies Record<string, Axis>;

export type AxisName = keyof typeof AXES;

export const isAxis = (name: string | null): name is AxisName => name !== null && name in AXES;

/** A range as A1111's users write it: "1-10", "1-10 (+3)", "1-10 [4]". */
const RANGE = /^(-?\d+(?:\.\d+)?)\s*-\s*(-?\d+(?:\.\d+)?)\s*(?:\(\s*([+-]?\d+(?:\.\d+)?)\s*\)|\[\s*(\d+)\s*\])?$/;
/** The most values of one side. */
const MOST = 32;

/**
 * Values as typed, separated by commas, each once.
 *
 * @throws RangeError naming the part that is no number, where numbers are asked for
 */
export function valuesOf(text: string, kind: Axis["kind"]): readonly string[] {
  const parts = text.split(",").map((part) => part.trim());
  const values = parts.filter((part) => part !== "").flatMap((part) => (kind === "numbers" ? numbersOf(part) : [part]));
  return [...new Set(values)].slice(0, MOST);
}

function numbersOf(part: string): readonly string[] {
  const [, from, to, step, count] = RANGE.exec(part) ?? [];
  if (from === undefined || to === undefined) {
    if (!Number.isFinite(Number(part))) throw new RangeError(part);
    return [String(Number(part))];
  }
  const [first, last] = [Number(from), Number(to)];
  const by = count
    ? (last - first) / Math.max(1, Number(count) - 1)
    : Math.abs(Number(step ?? 1)) * Math.sign(last - first || 1);
  if (by === 0) return [String(first)];
  const many = Math.min(MOST, Math.floor((last - first) / by + 1e-9) + 1);
  // Sums of tenths are not tenths.
  return Array.from({ length: many }, (_, at) => String(Number((first + at * by).toFixed(6))));
}
