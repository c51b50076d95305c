import { aimBeyond, atLambda, dpmSolverStep, lambdaAt } from "../dpm-solver.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, linspace, slope } from "../vector.ts";

export interface DpmFastOptions {
  /** Network calls in all; default one per level that the journey names. */
  calls?: number;
  eta?: number;
  sNoise?: number;
}

/**
 * DPM-Solver-fast (Lu et al. 2022a, appendix): third-order steps of equal length in λ, and lower orders at the end so that
 * exactly `calls` calls are made. Of the schedule it uses the ends only; the last level must lie above zero noise.
 */
export function* dpmFast(journey: Journey, options: DpmFastOptions = {}): Walker {
  const { calls = journey.levels.length - 1, eta = 0, sNoise = 1 } = options;
  const { levels, noise } = journey;
  const steps = Math.floor(calls / 3) + 1;
  const orders = calls % 3 === 0 ? [...threes(steps - 2), 2, 1] : [...threes(steps - 1), calls % 3];
  const end = lambdaAt(levels.at(-1)!);
  const lambdas = linspace(lambdaAt(levels[0]!), end, steps + 1).map(Math.fround);
  let { x } = journey;
  for (const [step, order] of orders.entries()) {
    const [from, to] = [lambdas[step]!, lambdas[step + 1]!];
    const here = atLambda(from);
    const { aim, up } = aimBeyond(from, to, end, eta);
    const { x0 } = yield { x, level: here, step };
    const epsilon = slope(x, x0, here.sigma);
    const reached = yield* dpmSolverStep({ x, epsilon, from, to: aim, order, step });
    x = combine([1, reached.x], [sNoise * up, noise()]);
  }
  return x;
}

function threes(count: number): number[] {
  return Array<number>(count).fill(3);
}
