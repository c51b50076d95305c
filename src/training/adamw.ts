import { add, div, Graph, mul, sqrt, sub, type Value } from "../graph/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  /** Of the moving average of the weights; 0 makes it the weights themselves. */
  readonly emaDecay: number;
  /** Whether the average begins with a short memory, as diffusers': its decay in step t, counted from 1, is at most t / (9 + t). */
  readonly emaWarmUp: boolean;
}

export const adamWDefaults: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 1e-2,
  emaDecay: 0.999,
  emaWarmUp: false,
};

/** What an optimizer remembers of each weight. */
export const STATES = ["weights", "first_moment", "second_moment", "ema"] as const;

/**
 * One step of AdamW (Loshchilov & Hutter 2019, algorithm 2, in torch's order of operations) and of the exponential moving
 * average of the weights: "weights", "first_moment", "second_moment", "ema" and "gradient" [N], and the scalars of
 * {@link adamWScalars} → the first four, "next.…".
 */
export function adamW({ beta1, beta2, epsilon, weightDecay }: AdamWOptions): Graph {
  const g = new Graph("adamw");
  const vector = (name: string) => g.input(name, "float32", ["n"]);
  const scalar = (name: string) => g.input(name, "float32", []);
  const [weights, m, v, ema] = STATES.map(vector) as [Value, Value, Value, Value];
  const [rate, stepSize, root, clip, decay, share] = SCALARS.map(scalar) as [Value, Value, Value, Value, Value, Value];
  const gradient = mul(vector("gradient"), clip);

  const decayed = mul(weights, sub(g.constant(float32([], [1])), mul(rate, weightDecay)));
  const first = add(m, mul(sub(gradient, m), 1 - beta1));
  const second = add(mul(v, beta2), mul(mul(gradient, gradient), 1 - beta2));
  const denominator = add(div(sqrt(second), root), epsilon);
  const next = sub(decayed, mul(div(first, denominator), stepSize));
  const average = add(mul(ema, decay), mul(next, share));
  for (const [i, value] of [next, first, second, average].entries()) g.output(`next.${STATES[i]}`, value);
  return g;
}

const SCALARS = ["learning_rate", "step_size", "second_root", "clip", "ema_decay", "ema_share"] as const;

/**
 * The scalar inputs of step `step`, counted from 1: the rate, the rate and the root of the second moment with the bias of
 * the moments' beginning corrected, what clips the gradient, and what the average keeps and takes.
 */
export function adamWScalars(
  { beta1, beta2, emaDecay, emaWarmUp }: AdamWOptions,
  { step, learningRate, clip }: { readonly step: number; readonly learningRate: number; readonly clip: number },
): Record<(typeof SCALARS)[number], Tensor> {
  const warm = step === 1 ? 0 : step / (9 + step);
  const decay = emaWarmUp ? Math.min(emaDecay, warm) : emaDecay;
  return {
    learning_rate: float32([], [learningRate]),
    step_size: float32([], [learningRate / (1 - beta1 ** step)]),
    second_root: float32([], [Math.sqrt(1 - beta2 ** step)]),
    clip: float32([], [clip]),
    ema_decay: float32([], [decay]),
    ema_share: float32([], [1 - decay]),
  };
}

/** What a gradient of norm `norm` is multiplied with so that it is no longer than `max`, as torch clips (Pascanu et al. 2013). */
export function clipFactor(norm: number, max: number): number {
  return Math.min(1, max / (norm + 1e-6));
}
