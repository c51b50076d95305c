import { dpmSolverStep } from "../dpm-solver.ts";
import { ancestralStep, exploding } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, linspace, slope } from "../vector.ts";

export interface DpmFastOptions {
  /** Network calls in all; default one per level that the journey names. */
  calls?: number;
  eta?: number;
  sNoise?: number;
}

/**
 * DPM-Solver-fast (Lu et al. 2022a, § 3.4): third-order steps of equal length in λ, and lower orders at the end so that
 * exactly `calls` calls are made. Of the schedule it uses the ends only; the last level must lie above zero noise.
 */
export function* dpmFast(journey: Journey, options: DpmFastOptions = {}): Walker {
  const { calls = journey.levels.length - 1, eta = 0, sNoise = 1 } = options;
  const { levels, noise } = journey;
  const end = levels.at(-1)!.sigma;
  const steps = Math.floor(calls / 3) + 1;
  const orders = calls % 3 === 0 ? [...threes(steps - 2), 2, 1] : [...threes(steps - 1), calls % 3];
  const sigmas = linspace(Math.log(levels[0]!.sigma), Math.log(end), steps + 1).map(Math.exp);
  let { x } = journey;
  for (const [step, order] of orders.entries()) {
    const [here, next] = [exploding(sigmas[step]!), exploding(sigmas[step + 1]!)];
    // With noise, aim below the next level, though never below the end, and let the noise bring x up to it.
    const aim = exploding(Math.max(ancestralStep(here, next, eta).down, end));
    const up = eta > 0 ? Math.sqrt(next.sigma ** 2 - aim.sigma ** 2) : 0;
    const { x0 } = yield { x, level: here, step };
    const epsilon = slope(x, x0, here.sigma);
    const taken = yield* dpmSolverStep({
      x,
      epsilon,
      from: here,
      to: eta > 0 ? aim : next,
      order,
      step,
    });
    x = combine([1, taken.x], [sNoise * up, noise()]);
  }
  return x;
}

function threes(count: number): number[] {
  return Array<number>(count).fill(3);
}
