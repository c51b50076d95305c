import { type Extrapolated, exponentialStep } from "../exponential-integrator.ts";
import { type Level, lambdaOf } from "../level.ts";
import { solve } from "../linear-system.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface UnipcOptions {
  /** Of the predictor; the corrector gains one. */
  order?: number;
  extrapolate?: Extrapolated;
  /** Which B(h) normalises the system: bh1 is h, bh2 is e^h − 1. */
  solverType?: "bh1" | "bh2";
  /** Fall to order 1 towards the end; needed when the schedule ends at zero noise. */
  lowerOrderFinal?: boolean;
  /** Steps whose result is not corrected. */
  uncorrected?: readonly number[];
}

interface Past {
  value: Float32Array;
  level: Level;
}

/**
 * UniPC (Zhao et al. 2023, algorithms 1 and 2): a multistep predictor, and a corrector that reuses the prediction at the
 * reached point, so that it costs no call. One call a step.
 */
export function* unipc(journey: Journey, options: UnipcOptions = {}): Walker {
  const { order = 2, extrapolate = "x0", lowerOrderFinal = true, uncorrected = [] } = options;
  const { levels } = journey;
  const steps = levels.length - 1;
  const history: Past[] = [];
  let { x } = journey;
  let before = x;
  let used = 0;
  for (let step = 0; step < steps; step++) {
    const here = levels[step]!;
    const estimate = yield { x, level: here, step };
    const now = { value: estimate[extrapolate], level: here };
    if (step > 0 && !uncorrected.includes(step - 1)) x = advance(before, here, history.slice(0, used), options, now);

    history.unshift(now);
    history.length = Math.min(history.length, order);
    used = Math.min(history.length, lowerOrderFinal ? steps - step : order);
    before = x;
    x = advance(before, levels[step + 1]!, history.slice(0, used), options);
  }
  return x;
}

/** x at history[0] → x at `to`; the predictor, or, when the prediction there is `known`, the corrector. */
function advance(
  x: Float32Array,
  to: Level,
  history: readonly Past[],
  { extrapolate = "x0", solverType = "bh2" }: UnipcOptions,
  known?: Past,
): Float32Array {
  const [newest, ...older] = history;
  const { transfer, w0, h } = exponentialStep(newest!.level, to, extrapolate);
  const signed = extrapolate === "x0" ? -h : h;
  const scale = -(extrapolate === "x0" ? to.alpha : to.sigma) * (solverType === "bh1" ? signed : Math.expm1(signed));
  const others = known ? [...older, known] : older;
  const reached = others.map((past) => (lambdaOf(past.level) - lambdaOf(newest!.level)) / h);
  const weights = bWeights(reached, signed, solverType).map((rho, k) => (scale * rho) / reached[k]!);
  const rest = weights.reduce((sum, weight) => sum + weight, 0);
  return combine(
    [transfer, x],
    [w0 - rest, newest!.value],
    ...weights.map((weight, k) => [weight, others[k]!.value] as const),
  );
}

/** The ρ that solve Σ ρₖ rₖ^(j−1) = bⱼ (Zhao et al. 2023, theorem 3.1); one unknown has the fixed solution 1/2. */
function bWeights(reached: readonly number[], h: number, solverType: "bh1" | "bh2"): number[] {
  if (reached.length < 2) return reached.map(() => 1 / 2);
  const normal = solverType === "bh1" ? h : Math.expm1(h);
  let phi = Math.expm1(h) / h - 1;
  let factorial = 1;
  const b = reached.map((_, j) => {
    const value = (phi * factorial) / normal;
    factorial *= j + 2;
    phi = phi / h - 1 / factorial;
    return value;
  });
  return solve(
    reached.map((_, j) => reached.map((r) => r ** j)),
    b,
  );
}
