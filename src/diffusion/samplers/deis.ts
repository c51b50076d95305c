import { lagrangeIntegrals } from "../lagrange.ts";
import { type Level, ratioOf } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface DeisOptions {
  /** How many predictions are extrapolated, 1–3. */
  order?: number;
  /** Lower the order towards the end. */
  lowerOrderFinal?: boolean;
}

/**
 * DEIS, log-ρ multistep (Zhang & Chen 2023, eq. 15 and table 1): ε extrapolated by a polynomial in log ρ, ρ = σ/α, and
 * integrated exactly. One call a step.
 */
export function* deis(journey: Journey, { order = 2, lowerOrderFinal = true }: DeisOptions = {}): Walker {
  const { levels } = journey;
  const steps = levels.length - 1;
  const history: { epsilon: Float32Array; level: Level }[] = [];
  let { x } = journey;
  for (let step = 0; step < steps; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const { epsilon } = yield { x, level: here, step };
    history.unshift({ epsilon, level: here });
    history.length = Math.min(history.length, order);
    // With log ρ = u, dρ = e^u du. One node alone also serves for ρ = 0.
    const used = next.sigma === 0 ? 1 : Math.min(history.length, lowerOrderFinal ? steps - step : order);
    const nodes = history.slice(0, used).map((past) => Math.log(ratioOf(past.level)));
    const weights =
      used === 1 ? [ratioOf(next) - ratioOf(here)] : lagrangeIntegrals(nodes, nodes[0]!, Math.log(ratioOf(next)), 1);
    x = combine(
      [next.alpha / here.alpha, x],
      ...weights.map((weight, k) => [next.alpha * weight, history[k]!.epsilon] as const),
    );
  }
  return x;
}
