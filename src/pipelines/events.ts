import type { Picture } from "../image/picture.ts";
import type { Tensor } from "../tensor/index.ts";
import type { StepInside } from "./inside.ts";
import type { Precision } from "./sessions.ts";
import type { ResolvedSettings } from "./settings.ts";

/**
 * The one stream that every face of the product reads: the command line draws its bar from it, a server sends it on,
 * `generate()` awaits its end.
 */
export type GenerateEvent = EventBesideSteps | StepEvent;

/** The same where nobody looks at latents: a step tells that it was taken. */
export type DrawingEvent = EventBesideSteps | StepProgress;

export type EventBesideSteps =
  | ModelEvent
  | StartEvent
  | TokensEvent
  | EmbeddingsEvent
  | DecodeEvent
  | ImageEvent
  | ScoreEvent
  | BestEvent;

/** The networks are in memory. Comes once, and only when they had to be loaded. */
export interface ModelEvent {
  readonly type: "model";
  readonly model: string;
  readonly device: string;
  /** Why this device: "as asked", "no graphics card found", what was tried. */
  readonly reason: string;
  /** What the U-Net is computed in. */
  readonly precision: Precision;
  readonly seconds: number;
}

/** Where a picture starts from: the first event of each picture. */
export interface StartEvent {
  readonly type: "start";
  readonly picture: number;
  readonly seed: number;
  /** [1, 4, H/8, W/8] as drawn, before the schedule's initial sigma scales it. */
  readonly noise: Tensor<"float32">;
  /** What the noise is multiplied by to become the first latents, where no picture is started from. */
  readonly initNoiseSigma: number;
  /** The latents that the walk starts from. */
  readonly initial: Tensor<"float32">;
  /** At which the network is asked, one per call. */
  readonly timesteps: readonly number[];
  /** Noise levels of the walk, the final 0 included where the schedule has one. */
  readonly sigmas: readonly number[];
}

/** One of the texts that the U-Net is told on its way, all of them listed by the two events that follow. */
export interface ToldText {
  readonly of: "cond" | "uncond";
  /** Which of the prompts that `AND` joins, from 0, and how strongly it pulls. */
  readonly part: number;
  readonly weight: number;
  /** The last solver step that sees it, counted from 1. */
  readonly until: number;
  readonly text: string;
}

/** What the prompts became. Comes before the first picture, and again before one with another prompt. */
export interface TokensEvent {
  readonly type: "tokens";
  /** [rows, 77] of ids, start and end included: the (first part of the) prompt at the first step. */
  readonly cond: Tensor<"int64">;
  /** The same of the negative prompt. Absent where nothing is compared with it, as at guidance 1. */
  readonly uncond?: Tensor<"int64">;
  /** Words that did not fit into the row that plain syntax allows; empty when all did. */
  readonly dropped: string;
  /** Everything that is told, with ids and weights [rows, 77]. */
  readonly texts: readonly (ToldText & { readonly ids: Tensor<"int64">; readonly weights: Tensor<"float32"> })[];
}

/** The text encoder's output after emphasis, rows joined: [1, rows · 77, channels]. `cond` and `uncond` as in the tokens. */
export interface EmbeddingsEvent {
  readonly type: "embeddings";
  readonly cond: Tensor<"float32">;
  readonly uncond?: Tensor<"float32">;
  readonly texts: readonly (ToldText & { readonly embedding: Tensor<"float32"> })[];
}

/** One call of the U-Net. */
export interface StepProgress {
  readonly type: "step";
  /** Which picture of `count`, from 0. */
  readonly picture: number;
  /** Which call of the U-Net, from 0; some samplers make more calls than steps. */
  readonly call: number;
  readonly calls: number;
  readonly timestep: number;
  /** Noise level √((1 − ᾱ)/ᾱ) at which the network was asked. */
  readonly sigma: number;
  /** For the whole run, all pictures and their decoding included. */
  readonly secondsLeft: number;
}

/** One call of the U-Net and what the sampler made of it. */
export interface StepEvent extends StepProgress {
  /** [1, 4, H/8, W/8] after the call, as diffusers' scheduler of that name holds them. */
  readonly latents: Tensor<"float32">;
  /** The network's output after guidance, in the checkpoint's own prediction type. */
  readonly prediction: Tensor<"float32">;
  /** The clean latents that the network believes in now. */
  readonly x0: Tensor<"float32">;
  /** A small picture of x0, when previews were asked for. */
  readonly preview?: Picture;
  /** What went on inside the U-Net, when that was asked for. */
  readonly inside?: StepInside;
}

/** The VAE starts on a picture: the last and longest single wait. */
export interface DecodeEvent {
  readonly type: "decode";
  readonly picture: number;
  readonly secondsLeft: number;
}

export interface ImageEvent {
  readonly type: "image";
  readonly picture: number;
  /** Pixels alone: the settings beside it make its infotext. */
  readonly image: Picture;
  /** What this very picture was drawn with, its own seed included. */
  readonly settings: ResolvedSettings;
  /** [1, 3, H, W] in 0–1 before rounding to 8 bits. */
  readonly pixels: Tensor<"float32">;
  readonly seconds: number;
}

/** How well a picture fits its prompt, where several candidates were asked for: follows each picture. */
export interface ScoreEvent {
  readonly type: "score";
  /** Which of all that are drawn, from 0. */
  readonly picture: number;
  readonly seed: number;
  /** 100 times the cosine of CLIP's embeddings of both. */
  readonly score: number;
  /** The CLIP that judged. */
  readonly clip: string;
  /** Which of the pictures that were asked for it may become, from 0, and how many candidates there are for it. */
  readonly candidateFor: number;
  readonly of: number;
}

/** The one of the candidates for a picture that scored highest: follows the last of them. */
export interface BestEvent extends Omit<ScoreEvent, "type"> {
  readonly type: "best";
}
