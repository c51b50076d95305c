import type { Picture, PictureSource } from "../image/index.ts";
import type { Wildcards } from "../text/index.ts";
import type { InitPicture } from "./beginning.ts";
import type { Emphasis } from "./emphasis.ts";
import type { WeightForm } from "./limits.ts";

/** How prompts are read: A1111's weights, editing, `AND` and `BREAK` at any length; or as they stand, cut after 77 tokens. */
export const promptSyntaxes = ["a1111", "plain"] as const;
export type PromptSyntax = (typeof promptSyntaxes)[number];

/** What a person may ask for. Everything but the prompt has a default that suits the model. */
export interface GenerateSettings {
  prompt: string;
  /**
   * An intention that stands for settings ("fast", "quality", "creative", or what `goalOf` gives for one of a config
   * file). Whatever is set beside it wins; what would ruin this model's pictures is left to the model, with a note.
   */
  goal?: string | Goal;
  /** What the picture should not show; the text of the unconditional pass. Default: empty. */
  negativePrompt?: string;
  /** How both prompts are read. Default a1111; "plain" is diffusers' way. */
  promptSyntax?: PromptSyntax;
  /** Where `__name__` in a prompt takes its options from; see `wildcardFolder`. Absent, it stands for itself. */
  wildcards?: Wildcards;
  /** What the weights in a prompt do to its embedding. Default "original", A1111's. */
  emphasis?: Emphasis;
  /** Solver steps, 1–1000. */
  steps?: number;
  /** Pixels, a multiple of 8. */
  width?: number;
  height?: number;
  /** Classifier-free guidance scale: uncond + s · (cond − uncond). 0 ignores the prompt, 1 is the prompt alone. */
  guidance?: number;
  /** Lin et al. 2023 §3.4, 0–1: how far the guided prediction is pulled back to the conditional one's spread. Default 0. */
  guidanceRescale?: number;
  /**
   * [from, to] as shares 0–1 of the steps: guidance works only in these, in the others the prompt alone is looked at, which
   * takes half as long (Kynkäänniemi et al. 2024). Default [0, 1].
   */
  guidanceInterval?: readonly [number, number];
  /**
   * A1111's "negative guidance minimum sigma": below this noise level every second call looks at the prompt alone. Default
   * 0, never.
   */
  ngms?: number;
  /**
   * Run the whole U-Net in every n-th call only and its shallow part in between, with the deep features of the last whole
   * one (DeepCache, Ma et al. 2023). Faster, and not the same picture. Default 1: in every call.
   */
  deepCache?: number;
  /**
   * Where the shallow part ends: the skip that the deep features are joined with, of those counted from 0, the first
   * convolution's. Default 0, the least that can be computed in between.
   */
  deepCacheBranch?: number;
  /**
   * From which share 0–1 of the steps on deep features are reused; before it every call is whole, and so is the first after
   * it. They change most while a picture is composed. Default 0.
   */
  deepCacheFrom?: number;
  /**
   * The same as `deepCache` for calls after `guidanceInterval` has ended, counted from there: deep features change least then.
   * Default: calls are counted on.
   */
  deepCacheLate?: number;
  /**
   * Which share of the U-Net's largest level is merged into its likes before self-attention, 0–0.75 (token merging, Bolya &
   * Hoffman 2023). Faster the larger the picture is, and not the same one. Default 0.
   */
  tokenMerging?: number;
  /** A diffusers class name or an A1111 sampler name; see `samplers`. Default: the checkpoint's scheduler_config. */
  sampler?: string;
  /** Noise schedule for A1111 sampler names ("karras", "exponential", …; see `schedules`). */
  schedule?: string;
  /** DDIM's and the ancestral samplers' share of fresh noise. */
  eta?: number;
  /** Integer, cut to 32 bits as torch does. Default: random. Picture i of `count` is drawn with seed + i. */
  seed?: number;
  /** Whose random numbers: torch's on the CPU (MT19937) or on CUDA (Philox). Default cpu. */
  rng?: "cpu" | "cuda";
  /** How many pictures. Default 1. */
  count?: number;
  /**
   * Draw so many candidates for each picture, from its seed on, and judge them by the prompt with CLIP: `generate` gives the
   * best of each. Picture i then has the seeds from seed + i · bestOf on. Default 1.
   */
  bestOf?: number;
  /** The CLIP that judges: a name of kind "clip" (see `resolveModel`) or a folder. Default: the embedded one. */
  clip?: string;
  /**
   * Where the noise of several pictures comes from: each its own generator (seed + i), so that a picture is the same
   * alone or among others; or one generator for the whole batch, as diffusers does with one `generator`. Default each.
   */
  noise?: "each" | "batch";
  /** Overrides of single keys of the checkpoint's scheduler_config, as diffusers' `from_config` takes them. */
  schedulerConfig?: Readonly<Record<string, unknown>>;
  /** Stop the text encoder this many layers before its end (1 = all layers), as A1111 counts. */
  clipSkip?: number;
  /**
   * Adapters (LoRA, LoHa, LoKr) for U-Net and text encoder. A change of a scale loads nothing; another set of them loads both
   * networks anew. A prompt in A1111's syntax may name more of them: `<lora:name:0.8>`.
   */
  adapters?: readonly AdapterSetting[];
  /** Where `<lora:name>` is looked for: `name.safetensors` there. Default "loras". */
  adapterFolder?: string;
  /** Words that were learnt by textual inversion: wherever they stand in a prompt their vectors do. Loads nothing anew. */
  embeddings?: readonly EmbeddingSetting[];
  /**
   * A picture to start from instead of noise alone (`readPicture` reads one). Without width and height its own aspect ratio
   * is kept; with them it is scaled to cover them and cut around the middle.
   */
  image?: Picture;
  /** What of `image` is drawn anew: white, or lighter than mid-grey. Stretched over it where the sizes differ. */
  mask?: Picture;
  /**
   * How far from the picture that is started from, 0–1: that part of the steps is taken. Default 0.8, with a mask 1
   * (diffusers' defaults).
   */
  strength?: number;
  /** Pixels over which what is drawn fades in inside the mask's edge, 0–64. Default 4. */
  maskBlur?: number;
  /** Where the mask is closed the pixels of `image` are put back as they were. Default true; else they passed the VAE. */
  keepUnmasked?: boolean;
  /** As `image` and `mask`, in numbers and at the size that is drawn; nothing is put back. */
  init?: InitPicture;
  /**
   * Decode the picture in overlapping tiles: memory stays that of one tile, faint seams are possible. Default: above
   * 1024×1024 pixels.
   */
  tiling?: boolean;
  /** Attach a small picture of x0 to each step event. */
  preview?: boolean;
  /**
   * Attach to each step event what went on inside the U-Net: both predictions, and where its cross-attentions look. The
   * picture stays the same; the U-Net is loaded anew for it.
   */
  inside?: boolean;
  signal?: AbortSignal;
}

/** What leaves out work and moves the picture. */
export type Shortcuts = Pick<
  GenerateSettings,
  "guidanceInterval" | "ngms" | "deepCache" | "deepCacheBranch" | "deepCacheFrom" | "deepCacheLate" | "tokenMerging"
>;

/** An adapter's .safetensors file, and how strongly it works. */
export interface AdapterSetting {
  readonly file: string;
  /** 0 leaves the model as it is. Default 1. */
  readonly scale?: number;
}

/** The .safetensors file of a word that was learnt by textual inversion, in A1111's layout or diffusers'. */
export interface EmbeddingSetting {
  readonly file: string;
  /** The word. Default: the one that the file names, as diffusers' do, else the file's own name. */
  readonly name?: string;
}

/** As {@link GenerateSettings}, with the picture to start from wherever it is. */
export interface ImageToImageSettings extends Omit<GenerateSettings, "image" | "mask" | "init"> {
  image: PictureSource;
}

export interface InpaintSettings extends ImageToImageSettings {
  mask: PictureSource;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The settings of a picture that a goal may set. */
export type GoalSettings = Pick<
  GenerateSettings,
  | "negativePrompt"
  | "steps"
  | "width"
  | "height"
  | "guidance"
  | "guidanceRescale"
  | "guidanceInterval"
  | "ngms"
  | "deepCache"
  | "deepCacheBranch"
  | "deepCacheFrom"
  | "deepCacheLate"
  | "tokenMerging"
  | "sampler"
  | "schedule"
  | "eta"
  | "clipSkip"
>;

/** What a goal asks of the prompt writer. */
export interface WriterSettings {
  /** How many prompts to write. */
  readonly count?: number;
  /** Tokens of a prompt at most, its beginning included. */
  readonly maxLength?: number;
  /** What GPT-2's logits are divided by: above 1 bolder, below 1 tamer, 0 greedy. */
  readonly temperature?: number;
}

/** An intention as settings. What it leaves open is the model's own. */
export interface Goal {
  readonly name: string;
  /** For people, one line. */
  readonly about: string;
  readonly settings: Readonly<GoalSettings>;
  readonly writer: WriterSettings;
}

/** The settings with nothing left open: what was really drawn, and what the infotext says. */
export interface ResolvedSettings {
  readonly prompt: string;
  /** The goal's name, where there was one. */
  readonly goal?: string;
  readonly negativePrompt: string;
  /** The prompts as typed, where wildcards in them were chosen for this picture. */
  readonly wildcardPrompt?: string;
  readonly wildcardNegativePrompt?: string;
  readonly promptSyntax: PromptSyntax;
  readonly emphasis: Emphasis;
  readonly steps: number;
  readonly width: number;
  readonly height: number;
  readonly guidance: number;
  readonly guidanceRescale: number;
  readonly guidanceInterval: readonly [number, number];
  readonly ngms: number;
  /** Absent where every call runs the whole U-Net. */
  readonly deepCache?: number;
  readonly deepCacheBranch?: number;
  readonly deepCacheFrom?: number;
  readonly deepCacheLate?: number;
  /** Absent where none are merged. */
  readonly tokenMerging?: number;
  readonly sampler: string;
  readonly schedule: string;
  readonly eta: number | undefined;
  readonly seed: number;
  readonly rng: "cpu" | "cuda";
  readonly count: number;
  /** Candidates for each picture, where there are several. */
  readonly bestOf?: number;
  readonly noise: "each" | "batch";
  readonly clipSkip: number | undefined;
  readonly tiling: boolean;
  /** Absent where the picture starts from noise. */
  readonly strength?: number;
  /** Absent where there is no mask. */
  readonly maskBlur?: number;
  /** Those of the settings; the prompt names its own. */
  readonly adapters?: readonly { readonly name: string; readonly scale: number }[];
  /** Those that stand in the prompts, with the SHA-256 of their files; known once the words were read. */
  readonly embeddings?: readonly { readonly name: string; readonly hash: string }[];
  readonly schedulerConfig?: Readonly<Record<string, unknown>> | undefined;
  readonly model: string;
  /** Absent where weights are computed with as they are. */
  readonly weights?: Exclude<WeightForm, "float32">;
  /** First ten hexadecimal digits of the U-Net file's SHA-256, as A1111 shows them; absent until known. */
  readonly modelHash?: string;
}
