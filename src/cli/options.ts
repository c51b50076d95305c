import { type Command, InvalidArgumentError, Option } from "commander";
import { formats, type PictureFormat } from "../image/encode.ts";
import { type Emphasis, emphases } from "../pipelines/emphasis.ts";
import {
  convolutionChoices,
  limits,
  MAX_AREA,
  precisionChoices,
  type WeightForm,
  weightForms,
} from "../pipelines/limits.ts";
import { bytesOf } from "../pipelines/memory-size.ts";
import {
  type AdapterSetting,
  type EmbeddingSetting,
  type PromptSyntax,
  promptSyntaxes,
  type Shortcuts,
} from "../pipelines/settings.ts";
import type { PredictionType } from "../weights/index.ts";
import type { ConfigOptions } from "./config.ts";

/** Options of every command that draws. Those that are not given are undefined. */
export interface DrawingOptions extends ConfigOptions, MachineFlags, ConvolutionFlags, PrecisionFlags, Shortcuts {
  readonly goal?: string;
  readonly from?: string;
  readonly negative?: string;
  readonly promptSyntax?: PromptSyntax;
  readonly emphasis?: Emphasis;
  /** A folder of text files for `__name__`. */
  readonly wildcards?: string;
  readonly steps?: number;
  readonly size?: { readonly width: number; readonly height: number };
  readonly guidance?: number;
  readonly guidanceRescale?: number;
  readonly sampler?: string;
  readonly schedule?: string;
  readonly eta?: number;
  /** "random" asks for another one, whatever `from` says. */
  readonly seed?: number | "random";
  readonly rng?: "cpu" | "cuda";
  readonly clipSkip?: number;
  readonly lora?: readonly AdapterSetting[];
  readonly loraFolder?: string;
  readonly embedding?: readonly EmbeddingSetting[];
  /** A picture to start from, and what of it may change. */
  readonly init?: string;
  readonly mask?: string;
  readonly strength?: number;
  readonly maskBlur?: number;
  readonly model?: string;
  readonly vae?: string;
  readonly config?: string;
  readonly prediction?: PredictionType;
  readonly weights?: WeightForm;
  readonly output?: string;
  readonly overwrite?: boolean;
  readonly quiet?: boolean;
}

/** Options of every command that computes. */
export interface MachineFlags extends PreparedFlags {
  readonly device?: string;
  readonly threads?: number;
}

/** Where prepared weights are kept. */
export interface PreparedFlags {
  /** A folder; false for nowhere. */
  readonly prepared?: string | false;
  /** GiB that it may take. */
  readonly preparedLimit?: number;
}

/** How convolutions are computed on the CPU. */
export interface ConvolutionFlags {
  readonly convolutions?: (typeof convolutionChoices)[number];
  /** Bytes. */
  readonly convolutionMemory?: number;
}

/** What networks are computed in. */
export interface PrecisionFlags {
  readonly precision?: (typeof precisionChoices)[number];
}

/** Headings of the help. */
export const PICTURE = "Picture:";
export const MODEL = "Model and machine:";
export const OUTPUT = "Output:";

/** Gives `command` the options of {@link Shortcuts}. */
export function addShortcutOptions(command: Command): Command {
  return command
    .option("--guidance-interval <from:to>", "guide only in this part of the steps, such as 0:0.7", interval)
    .option(
      "--ngms <sigma>",
      "below this noise level guide in every second call alone (A1111's negative guidance minimum sigma)",
      number(...limits.ngms),
    )
    .option(
      "--deep-cache <n>",
      "run the whole U-Net in every n-th call only: faster, and not the same picture",
      integer("It is", ...limits.deepCache),
    )
    .option(
      "--deep-cache-branch <n>",
      "how much of it runs in between: 0 is the least",
      integer("It is", ...limits.deepCacheBranch),
    )
    .option(
      "--deep-cache-from <share>",
      "run all of it in every call before this share of the steps, such as 0.4",
      number(...limits.deepCacheFrom),
    )
    .option(
      "--deep-cache-late <n>",
      "the same as --deep-cache for calls after the guidance interval",
      integer("It is", ...limits.deepCacheLate),
    )
    .option(
      "--token-merging <share>",
      "merge this share of the places before self-attention, 0 to 0.75: faster, and not the same picture",
      number(...limits.tokenMerging),
    );
}

/** Gives `command` its words and the options of {@link DrawingOptions}. */
export function addDrawingOptions(
  command: Command,
  [words, about]: readonly [string, string] = ["[prompt...]", "what the picture should show"],
): Command {
  command
    .argument(words, about)
    .optionsGroup(PICTURE)
    .option("--goal <name>", "an intention that stands for settings: fast, quality, creative; see `inkling goals`")
    .option("-n, --negative <text>", "what it should not show")
    .option("-s, --size <WxH>", "pixels, multiples of 8: 512x768, or 512 for a square", size)
    .option("--steps <n>", `solver steps, ${limits.steps.join(" to ")}`, integer("Steps are", ...limits.steps))
    .option(
      "-g, --guidance <scale>",
      "how closely to follow the prompt: 0 ignores it, 1 is the prompt alone",
      number(...limits.guidance),
    )
    .option("--seed <n>", "integer that fixes the picture; -1 takes a random one", seed)
    .option("--sampler <name>", "solver, as A1111 or diffusers spells it; see `inkling samplers`")
    .option("--schedule <name>", "noise schedule for A1111's samplers; see `inkling samplers`")
    .addOption(
      new Option("--rng <kind>", "whose random numbers: torch's on the CPU or on CUDA").choices(["cpu", "cuda"]),
    )
    .option("--eta <share>", "fresh noise in DDIM and the ancestral samplers, 0 to 1", number(...limits.eta))
    .option(
      "--clip-skip <n>",
      "stop the text encoder before its last layers, as A1111 counts: 1 is none",
      integer("It is", 1, 100),
    )
    .option("--guidance-rescale <share>", "pull guided contrast back, 0 to 1", number(...limits.guidanceRescale));
  addShortcutOptions(command)
    .addOption(
      new Option(
        "--prompt-syntax <name>",
        "a1111: (weights:1.2), [editing], AND, BREAK, any length; plain: the words alone, cut after 77 tokens",
      ).choices(promptSyntaxes),
    )
    .addOption(
      new Option("--emphasis <name>", "what weights do to a prompt's embedding (default: original)").choices(emphases),
    )
    .option("--wildcards <folder>", "text files that __name__ in a prompt takes a line of (default: ./wildcards)")
    .option("--lora <file[:scale]>", "an adapter (LoRA, LoHa, LoKr) of the model; may be given several times", adapter)
    .option("--lora-folder <folder>", "where <lora:name:0.8> in a prompt is looked for (default: ./loras)")
    .option(
      "--embedding <[name=]file>",
      "a word that was learnt by textual inversion, as prompts name it; may be given several times",
      embedding,
    )
    .option("--init <picture>", "start from this picture instead of noise alone")
    .option("--strength <share>", "how far to go from it, 0 to 1 (default: 0.8)", number(...limits.strength))
    .option("--mask <picture>", "draw anew only what is white here and keep the rest (--strength is then 1)")
    .option(
      "--mask-blur <pixels>",
      "fade in so far inside the mask's edge, 0 to 64 (default: 4)",
      number(...limits.maskBlur),
    )
    .option("--from <picture>", "take over all settings of a picture; what else is given wins")
    .optionsGroup(MODEL)
    .option("-m, --model <name>", "a name of `inkling models`, a checkpoint folder, or a .safetensors file")
    .option("--vae <name>", "a name of `inkling models`, a folder or a file: its VAE replaces the model's")
    .option("--config <folder>", "checkpoint folder whose configs, tokenizer and scheduler replace the model's")
    .addOption(predictionOption())
    .addOption(weightsOption());
  return addConfigOptions(addPrecisionOption(addConvolutionOptions(addMachineOptions(command)))).optionsGroup(OUTPUT);
}

/** Gives `command`, which has the drawing options, those that say how many pictures and where they go. */
export function addSavingOptions(command: Command): Command {
  return command
    .option("-o, --output <path>", "file, folder, or - for stdout (default: inkling-<number>-<seed>.png here)")
    .option("--overwrite", "replace the file that is there")
    .option("--format <name>", "png, jpeg or webp (default: by the output's name, else png)", format)
    .option("-c, --count <n>", "how many pictures; picture i has seed + i", integer("It is", ...limits.count))
    .option("--preview [kind]", "show the picture growing: auto, kitty, iterm2, sixel, blocks or off (default: auto)")
    .option("--dry-run", "print the settings that would be drawn with, and draw nothing")
    .addOption(
      new Option("--json", "one event a line on stdout; with --dry-run the settings in one line").conflicts("quiet"),
    )
    .option("-q, --quiet", "say nothing but the paths of what was saved");
}

/** Gives `command` the options that say where to compute. */
export function addDeviceOptions(command: Command): Command {
  return command
    .option("--device <name>", "auto, cpu, webgpu or cuda; see `inkling doctor` (default: auto)")
    .option("--threads <n>", "CPU threads (default: one a core)", integer("Threads are", 1, 1024));
}

/** Gives `command` the options of {@link MachineFlags}. */
export function addMachineOptions(command: Command): Command {
  return addPreparedOption(addDeviceOptions(command))
    .option("--no-prepared", "keep no prepared weights, and use none")
    .option("--prepared-limit <GiB>", "what their folder may take (default: 20)", number(...limits.preparedLimit));
}

/** Gives `command` the options of {@link ConvolutionFlags}. */
export function addConvolutionOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--convolutions <form>",
        "on the CPU: auto takes the fastest form for each, the others that one for all (default: auto)",
      ).choices(convolutionChoices),
    )
    .option(
      "--convolution-memory <size>",
      "what larger weights of auto may take in each network: 512MiB, 1GiB, 0 (default: 0.3 of its weights, at least 128MiB)",
      memory,
    );
}

/** Gives `command` the options of {@link PrecisionFlags}. */
export function addPrecisionOption(command: Command): Command {
  return command.addOption(
    new Option(
      "--precision <name>",
      "float32, or float16 on a graphics device that has it (default: auto, float16 where it is there)",
    ).choices(precisionChoices),
  );
}

/** Gives `command` the option that says where prepared weights are. */
export function addPreparedOption(command: Command): Command {
  return command.option(
    "--prepared <folder>",
    "where networks are kept as they were loaded on the CPU, so that the next start is fast (default: in the cache folder)",
  );
}

/** Gives `command` the options of {@link ConfigOptions}. */
export function addConfigOptions(command: Command): Command {
  return command
    .option(
      "--config-file <path>",
      "goals and defaults of yours (default: the next inkling.config.* from here upwards)",
    )
    .option("--no-config-file", "look for no such file");
}

/** In what U-Net and text encoder are computed. */
export function weightsOption(): Option {
  const about = "8bit and 4bit take less memory, and do not draw the same picture (default: float32)";
  return new Option("--weights <form>", about).choices(weightForms);
}

function predictionOption(): Option {
  const names: Readonly<Record<string, PredictionType>> = {
    epsilon: "epsilon",
    v: "v_prediction",
    v_prediction: "v_prediction",
    sample: "sample",
  };
  return new Option(
    "--prediction <type>",
    "what the U-Net predicts, where the checkpoint is silent or wrong: epsilon, v or sample",
  ).argParser((text: string) => {
    if (Object.hasOwn(names, text)) return names[text]!;
    throw new InvalidArgumentError("It is epsilon, v or sample.");
  });
}

/** A parser of whole numbers; `subject` begins the sentence that refuses others. */
export function integer(subject: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^[-+]?\d+$/.test(text.trim()) || /^\d+(\.\d+)?e\d+$/i.test(text) ? Number(text) : Number.NaN;
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`${subject} a whole number from ${min} to ${max}.`);
  };
}

/** A parser of numbers in a range. */
export function number(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is a number from ${min} to ${max}.`);
  };
}

function memory(text: string): number {
  const bytes = bytesOf(text);
  if (bytes !== undefined) return bytes;
  throw new InvalidArgumentError("Write an amount of memory, such as 512MiB, 1GiB or 0.");
}

/** Pixels: a picture's width and height. */
export function size(text: string): { width: number; height: number } {
  const match = /^(\d+)(?:[x×,*](\d+))?$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError("Write 512x768 (width × height), or 512 for a square.");
  const [width, height] = [Number(match[1]), Number(match[2] ?? match[1])];
  for (const side of [width, height]) {
    if (side > limits.side[1]) throw new InvalidArgumentError(`A side has at most ${limits.side[1]} pixels.`);
    if (side % 8 === 0 && side > 0) continue;
    const low = Math.max(8, Math.floor(side / 8) * 8);
    const near = low === side || side < 8 ? "8" : `${low} or ${low + 8}`;
    throw new InvalidArgumentError(`Sides are multiples of 8 pixels, and ${side} is not: take ${near}.`);
  }
  if (width * height > MAX_AREA) {
    throw new InvalidArgumentError(`A picture has at most ${MAX_AREA} pixels, for example 2048x2048.`);
  }
  return { width, height };
}

function seed(text: string): number | "random" {
  const value = /^[-+]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value === -1 || text === "random") return "random";
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Seeds are whole numbers of at most 15 digits.");
}

function interval(text: string): [number, number] {
  const [from, to, ...more] = text
    .split(/,|:|\s+to\s+/)
    .map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  if (more.length === 0 && from !== undefined && to !== undefined && from >= 0 && to >= from && to <= 1)
    return [from, to];
  throw new InvalidArgumentError("Write two shares of the steps, from 0 to 1, such as 0.2:0.8.");
}

/** A picture format by its name or one of its extensions. */
export function format(text: string): PictureFormat {
  const wanted = text.toLowerCase().replace(/^\./, "");
  for (const [name, { extensions }] of Object.entries(formats)) {
    if (name === wanted || extensions.some((extension) => extension === `.${wanted}`)) return name as PictureFormat;
  }
  throw new InvalidArgumentError(`Formats are ${Object.keys(formats).join(", ")}.`);
}

/** Collects `--lora file[:scale]`. */
function adapter(text: string, before: readonly AdapterSetting[] = []): AdapterSetting[] {
  const found = parseAdapter(text);
  const [low, high] = limits.adapterScale;
  if (found.scale !== undefined && !(found.scale >= low && found.scale <= high)) {
    throw new InvalidArgumentError(`Its scale is a number from ${low} to ${high}.`);
  }
  return [...before, found];
}

/** "style.safetensors:0.8" → file and scale; a colon that is followed by no number belongs to the file's name. */
function parseAdapter(text: string): AdapterSetting {
  const match = /^(.+):([-+]?(?:\d+\.?\d*|\.\d+))$/.exec(text);
  return match ? { file: match[1]!, scale: Number(match[2]) } : { file: text };
}

/** Collects `--embedding [name=]file`. */
function embedding(text: string, before: readonly EmbeddingSetting[] = []): EmbeddingSetting[] {
  // "ink=style.safetensors"; a sign behind a folder's name belongs to the file's.
  const match = /^([^=/\\]+)=(.+)$/.exec(text);
  return [...before, match ? { name: match[1]!.trim(), file: match[2]! } : { file: text }];
}
