import { basename } from "node:path";
import { type Infotext, parseInfotext } from "../image/infotext.ts";
import { readMetadata, readPictureFile } from "../image/read.ts";
import type { GenerateSettings } from "../pipelines/settings.ts";
import type { Device } from "../runtime/runtime.ts";
import { InputError } from "../tensor/index.ts";
import { type PredictionType, predictionTypes } from "../weights/prediction.ts";
import type { Cli } from "./cli.ts";
import { UsageError } from "./errors.ts";
import { checkNames } from "./names.ts";
import { nearest } from "./nearest.ts";
import type { DrawingOptions } from "./options.ts";

/** What is to be drawn and with which model, flags and `--from` taken together. */
export interface Wish {
  readonly settings: GenerateSettings;
  readonly model: string | undefined;
  readonly prediction: PredictionType | undefined;
}

/** Fields of an infotext that change the picture and cannot be taken over. */
const NOT_TAKEN = ["VAE", "Denoising strength", "Hires upscale", "Variation seed", "ENSD", "Lora hashes", "TI hashes"];

/**
 * The settings of a command line. Those of the `--from` picture come first, explicit flags win.
 *
 * @throws UsageError where no prompt is given or a name is unknown; InputError where the picture is at fault
 */
export async function wishOf(
  words: readonly string[],
  options: DrawingOptions,
  cli: Pick<Cli, "env">,
  onNote: (line: string) => void,
): Promise<Wish> {
  const { settings: taken = {}, fields } = options.from ? await readSettings(options.from, options, onNote) : {};
  const { model: drawnWith, modelHash: _, ...from } = taken;
  const prompt = words.length > 0 ? words.join(" ") : from.prompt;
  if (prompt === undefined) {
    throw new UsageError('no prompt is given: write inkling "a lady with blue eyes", or "" to draw without one');
  }
  const given: Partial<GenerateSettings> = {
    negativePrompt: options.negative,
    steps: options.steps,
    ...options.size,
    guidance: options.guidance,
    guidanceRescale: options.guidanceRescale,
    guidanceInterval: options.guidanceInterval,
    sampler: options.sampler,
    schedule: options.schedule,
    eta: options.eta,
    seed: options.seed === "random" ? undefined : options.seed,
    rng: options.rng,
    clipSkip: options.clipSkip,
  };
  const flags = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const settings: GenerateSettings = { ...from, ...flags, prompt };
  if (options.seed === "random") delete settings.seed;
  await checkNames(settings);
  return {
    settings,
    model: options.model ?? (await modelOf(drawnWith, options.from, cli)),
    prediction: options.prediction ?? predictionTypes.find((type) => type === fields?.get("Prediction")),
  };
}

/** What a picture says, and a note for whatever of it will not come out the same. */
async function readSettings(path: string, options: DrawingOptions, onNote: (line: string) => void): Promise<Infotext> {
  const { infotext, notes } = readMetadata(await readPictureFile(path), path);
  for (const note of notes) onNote(note);
  if (infotext === undefined) throw new InputError(`${path} carries no settings, so there is nothing to take over.`);
  const found = parseInfotext(infotext);
  if (found.settings.rng === "cuda" && !found.fields.has("RNG") && !options.rng) {
    onNote(`${path} does not say whose random numbers it was drawn with: CUDA's are taken, as A1111 means it.`);
  }
  const lost = NOT_TAKEN.filter((field) => found.fields.has(field) && !(field === "VAE" && options.vae));
  if (lost.length > 0) onNote(`${path} was drawn with what is not taken over (${lost.join(", ")}), so it will differ.`);
  return found;
}

/** The model that a picture names, where it can be had here: another one would draw another picture. */
async function modelOf(name: string | undefined, from: string | undefined, cli: Pick<Cli, "env">) {
  if (name === undefined) return undefined;
  const { resolveModel } = await import("../hub/index.ts");
  try {
    // A name of two slashes would have some machines ask a stranger's server.
    if (/^[/\\]{2}/.test(name)) throw new InputError(`${name} is no path of this machine.`);
    await resolveModel(name, cli.env);
    return name;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    const shown = name.length > 100 ? `${name.slice(0, 100)}…` : name;
    throw new InputError(
      `${basename(from!)} was drawn with the model "${shown}", which is not known here. Name it, or another one, with --model.`,
      { cause: error },
    );
  }
}

/** @throws UsageError naming the nearest device */
export async function deviceOf(name: string | undefined): Promise<Device | "auto" | undefined> {
  if (name === undefined) return undefined;
  const { devices } = await import("../runtime/runtime.ts");
  const all = ["auto", ...devices] as const;
  const known = all.find((device) => device === name);
  if (known) return known;
  const near = nearest(name, all);
  throw new UsageError(`there is no device "${name}"${near ? ` (Did you mean ${near}?)` : ""}: ${all.join(", ")}`);
}
