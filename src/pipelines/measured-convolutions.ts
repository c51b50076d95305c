import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { availableParallelism, cpus } from "node:os";
import { dirname, join } from "node:path";
import { z } from "zod";
import { type ConvolutionForm, convolutionForms, type Measured, nameOfClass } from "../graph/index.ts";
import { makeFolder, saveBytes } from "../image/index.ts";
import { type Device, processor } from "../runtime/index.ts";
import { InputError } from "../tensor/index.ts";
import { ownCacheFolder } from "./cache-folder.ts";
import type { MachineOptions, OpeningOptions } from "./opening.ts";
import type { SessionsOptions } from "./sessions.ts";
import { packageVersion } from "./version.ts";

/** What the time of a convolution depends on beside the convolution. */
export interface Machine {
  readonly cpu: string;
  /** A hash of what it can do: virtual machines give many processors one name. */
  readonly abilities: string;
  readonly threads: number;
  /** Its version. */
  readonly onnxruntime: string;
}

/** @param threads default: one per core */
export function thisMachine(threads: number = availableParallelism()): Machine {
  const cpu = cpus()[0]?.model.trim() || "unknown";
  const abilities = createHash("sha256").update(processor()).digest("hex").slice(0, 8);
  return { cpu, abilities, threads, onnxruntime: packageVersion("onnxruntime-node") };
}

/** Seconds by form, by the name of a class. */
export type Measurements = Readonly<Record<string, Readonly<Partial<Record<ConvolutionForm, number>>>>>;

/** How the file is written and what its times mean: counted up when a form is computed in another way. */
const FORMAT = 2;

const schema = z.strictObject({
  format: z.literal(FORMAT),
  machine: z.strictObject({ cpu: z.string(), abilities: z.string(), threads: z.int(), onnxruntime: z.string() }),
  seconds: z.record(z.string(), z.partialRecord(z.enum(convolutionForms), z.number().positive())),
});

/** All that two know; of what both know the shorter time, as whatever else a machine does only ever adds to it. */
export function merged(a: Measurements, b: Measurements): Measurements {
  const all: Record<string, Measurements[string]> = { ...a };
  for (const [name, forms] of Object.entries(b)) {
    const known = all[name] ?? {};
    const shorter = Object.entries(forms).map(([form, seconds]) => [
      form,
      Math.min(seconds, known[form as ConvolutionForm] ?? Number.POSITIVE_INFINITY),
    ]);
    all[name] = { ...known, ...Object.fromEntries(shorter) };
  }
  return all;
}

/** The file that holds what was measured on a machine; undefined where the user has no cache folder. */
export function measuredFile(machine: Machine, env: NonNullable<OpeningOptions["env"]>): string | undefined {
  const { cpu, abilities, threads, onnxruntime } = machine;
  const cache = ownCacheFolder(env);
  const slug = `${cpu} ${abilities} ${threads} threads onnxruntime ${onnxruntime}`
    .toLowerCase()
    .replace(/[^a-z0-9.]+/g, "-");
  return cache && join(cache, "plans", `${slug}.${FORMAT}.json`);
}

/** What was measured on this machine; nothing where nothing was, or, with a note, where the file is damaged. */
export async function readMeasured(
  machine: Machine,
  { env = process.env, onNote = () => {} }: OpeningOptions = {},
): Promise<Measurements> {
  const file = measuredFile(machine, env);
  const text = file && (await readFile(file, "utf8").catch(() => undefined));
  if (text === undefined) return {};
  const { data } = schema.safeParse(parsed(text));
  if (data && Object.entries(machine).every(([key, value]) => data.machine[key as keyof Machine] === value)) {
    return data.seconds;
  }
  onNote(`${file} is damaged and was left aside: measure anew with \`inkling doctor --plan --measure\`.`);
  return {};
}

/**
 * Adds to what was measured on this machine. The file is written whole or not at all; where it cannot be written, a note
 * says so.
 *
 * @returns all that is known now
 */
export async function keepMeasured(
  machine: Machine,
  fresh: Measurements,
  { env = process.env, onNote = () => {} }: OpeningOptions = {},
): Promise<Measurements> {
  const seconds = merged(await readMeasured(machine, { env }), fresh);
  const file = measuredFile(machine, env);
  try {
    if (!file) throw new InputError("There is no cache folder: neither XDG_CACHE_HOME nor HOME is set.");
    await makeFolder(dirname(file));
    const text = `${JSON.stringify({ format: FORMAT, machine, seconds })}\n`;
    await saveBytes(file, Buffer.from(text), { overwrite: true });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    onNote(`What was measured is not kept. ${error.message}`);
  }
  return seconds;
}

/** How convolutions are computed on a device, told what was measured on this machine where nothing else is said. */
export async function withMeasured(
  convolutions: SessionsOptions["convolutions"] = {},
  device: Device,
  { threads, ...opening }: OpeningOptions & Pick<MachineOptions, "threads">,
): Promise<SessionsOptions["convolutions"]> {
  if (device !== "cpu" || convolutions.form || convolutions.measured) return convolutions;
  return { ...convolutions, measured: lookup(await readMeasured(thisMachine(threads), opening)) };
}

/** As planning asks for it. */
export function lookup(measurements: Measurements): Measured {
  return (about, form) => measurements[nameOfClass(about)]?.[form];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
