import type { Level } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface DdpmOptions {
  /** `small`: the posterior's variance β̃; `large`: β itself (Ho et al. 2020, § 3.2). */
  variance?: "small" | "large";
}

/** Ancestral sampling (Ho et al. 2020, algorithm 2 with eq. 7). One call a step; no noise from timestep 0. */
export function* ddpm(journey: Journey, { variance = "small" }: DdpmOptions = {}): Walker {
  const { levels, noise } = journey;
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const { x0 } = yield { x, level: here, step };
    const { beta, posterior } = transition(here, next);
    const mean = combine(
      [(next.alpha * beta) / here.sigma ** 2, x0],
      [((here.alpha / next.alpha) * next.sigma ** 2) / here.sigma ** 2, x],
    );
    const deviation = Math.sqrt(variance === "large" ? beta : posterior);
    x = here.timestep === 0 ? mean : combine([1, mean], [deviation, noise()]);
  }
  return x;
}

/** β of the step between two variance-preserving levels, and β̃, the variance that is left when x0 is known. */
function transition(here: Level, next: Level): { beta: number; posterior: number } {
  const beta = 1 - (here.alpha / next.alpha) ** 2;
  return { beta, posterior: (beta * next.sigma ** 2) / here.sigma ** 2 };
}
