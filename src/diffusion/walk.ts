import { InputError } from "../tensor/index.ts";
import type { DrawNoise } from "./brownian.ts";
import type { Denoiser } from "./denoiser.ts";
import { type Level, ratioOf } from "./level.ts";
import { addNoise } from "./noise.ts";
import type { WalkOptions } from "./options.ts";
import { planWalk } from "./plan.ts";
import type { Estimate, Question, Walker } from "./sampler.ts";
import { sumsOf, type WalkSums } from "./walk-sums.ts";

/**
 * The network as sampling sees it: its raw prediction (after guidance) for an input `x` that is already scaled, at
 * timestep `t`, which may be fractional; `sigma` is the noise level √((1 − ᾱ)/ᾱ) there.
 */
export type Predict = (x: Float32Array, t: number, sigma: number) => Promise<Float32Array>;

/** One network call and what the sampler made of it. */
export interface WalkStep {
  /** Which call, from 0. */
  readonly call: number;
  /** Which step of the schedule it belongs to, from 0; two-stage samplers make two calls in a step. */
  readonly step: number;
  readonly timestep: number;
  /** Noise-to-signal ratio √((1 − ᾱ)/ᾱ) at which the network was asked. */
  readonly sigma: number;
  /**
   * Latents after this call, as diffusers' scheduler of that name holds them. They may be changed in place before the
   * next call (inpainting does): the walk goes on from what it finds.
   */
  readonly latents: Float32Array;
  /** The level that `latents` lie at; absent after the last call, when no noise is left. */
  readonly level?: Level;
  /** The network's output. */
  readonly prediction: Float32Array;
  /** The clean latents that the sampler read out of it. */
  readonly x0: Float32Array;
}

/**
 * Of a walk as sums, where it starts. The weights of a sum round once for all numbers: from 4096, where zero-SNR walks in
 * the exploding frame start, that is up to 9e-4 of the latents, from 80 (EDM) and 146 (VP) less than 5e-5.
 */
const MOST_NOISE = 200;

/** A schedule and a sampler, bound together and ready to go. */
export interface Walk {
  /** The names that were meant, in their canonical spelling. */
  readonly sampler: string;
  readonly schedule: string;
  /** One per network call. */
  readonly timesteps: readonly number[];
  /** As the scheduler holds them, or √((1 − ᾱ)/ᾱ) where it has none. */
  readonly sigmas: readonly number[];
  /** The initial latents are standard normal noise times this. */
  readonly initNoiseSigma: number;
  /**
   * Which of the steps that were asked for each call belongs to, from 0. Where the sampler takes steps of another number
   * (DPM fast, PLMS with its first one taken twice) they are spread over its calls.
   */
  readonly steps: readonly number[];
  /** Network calls. A guess for DPM adaptive, which decides on its way. */
  readonly calls: number;
  /**
   * `x0` with noise up to `level`, by default that of the first network call: what image-to-image starts from and
   * inpainting goes back to.
   */
  addNoise(x0: Float32Array, noise: Float32Array, level?: Level): Float32Array;
  /**
   * The whole walk as sums; undefined where it is none: x0 is clipped, what the latents are decides where it asks, or it
   * starts from so much noise that what is left of it is each number's own rounding.
   */
  sums(): WalkSums | undefined;
  /** Walks from `initial` = noise · initNoiseSigma. `drawNoise` gives fresh standard normal noise of the same size. */
  run(predict: Predict, initial: Float32Array, drawNoise: DrawNoise): AsyncGenerator<WalkStep, void, void>;
}

/**
 * Binds a sampler to a schedule. Throws an InputError that says what is wrong and what is allowed: unknown names, options
 * out of range, more steps than there are timesteps.
 */
export function createWalk(options: WalkOptions): Walk {
  const plan = planWalk(options);
  const { begin = 0 } = options;
  if (begin >= plan.steps)
    throw new InputError(`Step ${begin} does not exist: the walk has ${plan.steps}, counted from 0.`);
  const levels = plan.levelsFrom(begin);
  const start = (x: Float32Array, noise: DrawNoise): Walker =>
    plan.walk({ x, levels, noise, interpret: plan.denoiser.interpret }, begin);
  const { asked, draws } = rehearse(start);
  const isLinear = plan.denoiser.linear && !plan.decides && plan.initNoiseSigma <= MOST_NOISE;
  const timesteps = asked.map(({ level }) => plan.denoiser.timestepOf(level));

  return {
    sampler: plan.sampler,
    schedule: plan.schedule,
    timesteps,
    sigmas: plan.sigmas,
    initNoiseSigma: plan.initNoiseSigma,
    steps: stepsOf(asked, (options.timesteps?.length ?? options.steps) - begin),
    calls: asked.length,
    addNoise: (x0, noise, level = asked[0]!.level) => addNoise(x0, noise, level),
    sums: () => (isLinear ? sumsOf(start, plan.denoiser, { calls: asked.length, draws }) : undefined),
    run: (predict, initial, drawNoise) => run(plan.denoiser, start(initial, drawNoise), predict),
  };
}

function stepsOf(asked: readonly Pick<Question, "step">[], steps: number): number[] {
  const own = asked.at(-1)!.step + 1;
  return asked.map(({ step }, call) => (own === steps ? step : Math.floor((call * steps) / asked.length)));
}

/** Where all network calls ask, and how often noise is drawn, found by walking latents of no size. */
function rehearse(start: (x: Float32Array, noise: DrawNoise) => Walker) {
  const nothing = new Float32Array(0);
  const answer: Estimate = { x0: nothing, epsilon: nothing, prediction: nothing };
  let draws = 0;
  const walker = start(nothing, () => {
    draws++;
    return nothing;
  });
  const asked: Pick<Question, "level" | "step">[] = [];
  for (let turn = walker.next(); !turn.done; turn = walker.next(answer)) asked.push(turn.value);
  return { asked, draws };
}

async function* run(denoiser: Denoiser, walker: Walker, predict: Predict): AsyncGenerator<WalkStep, void, void> {
  let turn = walker.next();
  for (let call = 0; !turn.done; call++) {
    const { x, level, step } = turn.value;
    const [timestep, sigma] = [denoiser.timestepOf(level), ratioOf(level)];
    const prediction = await predict(denoiser.scaleInput(x, level), timestep, sigma);
    if (prediction.length !== x.length) {
      throw new RangeError(
        `The network answered call ${call} with ${prediction.length} numbers for ${x.length} latents.`,
      );
    }
    const estimate = { ...denoiser.interpret(prediction, x, level), prediction };
    turn = walker.next(estimate);
    const after = turn.done ? { latents: turn.value } : { latents: turn.value.x, level: turn.value.level };
    yield { call, step, timestep, sigma, ...after, prediction, x0: estimate.x0 };
  }
}
