import { aimBeyond, atLambda, dpmSolverStep, lambdaAt } from "../dpm-solver.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, slope } from "../vector.ts";

export interface DpmAdaptiveOptions {
  /** 2 or 3: the order of the solver; the error is judged against one order less. */
  order?: number;
  /** Relative and absolute tolerance of the error. */
  rtol?: number;
  atol?: number;
  /** First step length in λ. */
  hInit?: number;
  /** A step is taken when the controller's factor for the next length is at least this. */
  acceptSafety?: number;
  eta?: number;
  sNoise?: number;
  /** Told after every attempt where it stands (λ), its error, and the next length. */
  onAttempt?: (attempt: { lambda: number; error: number; h: number; accepted: boolean }) => void;
}

/**
 * DPM-Solver-12 and -23 (Lu et al. 2022a, appendix): steps as long as the error allows, under an integral controller
 * with a soft limit. How many calls it takes depends on the picture. Of the schedule it uses the ends only; the last level
 * must lie above zero noise.
 */
export function* dpmAdaptive(journey: Journey, options: DpmAdaptiveOptions = {}): Walker {
  const { order = 3, rtol = 0.05, atol = 0.0078, hInit = 0.05, acceptSafety = 0.81 } = options;
  const { eta = 0, sNoise = 1, onAttempt } = options;
  const { levels, noise } = journey;
  const end = lambdaAt(levels.at(-1)!);
  let { x } = journey;
  let previous = x;
  let lambda = lambdaAt(levels[0]!);
  let h = hInit;
  for (let step = 0; lambda < end - 1e-5; ) {
    const target = Math.min(end, Math.fround(lambda + h));
    const here = atLambda(lambda);
    const { aim, up } = aimBeyond(lambda, target, end, eta);
    const { x0 } = yield { x, level: here, step };
    const epsilon = slope(x, x0, here.sigma);
    const { x: high, lower: low } = yield* dpmSolverStep({ x, epsilon, from: lambda, to: aim, order, step });

    const error = relativeError(low, high, previous, { atol, rtol });
    const factor = 1 + Math.atan((1 / (error + 1e-8)) ** (1 / (eta > 0 ? 1.5 : order)) - 1);
    const accepted = factor >= acceptSafety;
    h *= factor;
    if (accepted) {
      previous = low;
      x = combine([1, high], [sNoise * up, noise()]);
      lambda = target;
      step++;
    }
    onAttempt?.({ lambda, error, h, accepted });
    if (Number.isNaN(error)) throw new RangeError("DPM adaptive: the network's output is not a number.");
  }
  return x;
}

/** Root mean square of (low − high), in units of what is tolerated at each place; 0 for no numbers at all. */
function relativeError(
  low: Float32Array,
  high: Float32Array,
  previous: Float32Array,
  { atol, rtol }: { atol: number; rtol: number },
): number {
  let squares = 0;
  for (let i = 0; i < low.length; i++) {
    const tolerated = Math.max(atol, rtol * Math.max(Math.abs(low[i]!), Math.abs(previous[i]!)));
    squares += ((low[i]! - high[i]!) / tolerated) ** 2;
  }
  return Math.sqrt(squares / Math.max(low.length, 1));
}
