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
 * DEIS, log-ρ multistep (Zhang & Chen 2023, § 3): ε extrapolated by a polynomial in log ρ, ρ = σ/α, and
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
    const used = next.sigma === 0 ? 1 : Math.min(history.length, lowerOrderFinal ? steps - step : order);
    const weights = extrapolate(
      history.slice(0, used).map((past) => past.level),
      next,
    );
    x = combine(
      [next.alpha / here.alpha, x],
      ...weights.map((weight, k) => [next.alpha * weight, history[k]!.epsilon] as const),
    );
  }
  return x;
}

/** ∫ ℓₖ(log ρ) dρ from the newest of `nodes` to `to`, for each Lagrange polynomial ℓₖ over the nodes. */
function extrapolate(nodes: readonly Level[], to: Level): number[] {
  const newest = nodes[0]!;
  if (nodes.length === 1) return [ratioOf(to) - ratioOf(newest)];
  if (nodes.length === 2) {
    const [t, s0, s1] = [to, newest, nodes[1]!].map(rho32) as [number, number, number];
    return [
      linearIntegral(t, s0, s1) - linearIntegral(s0, s0, s1),
      linearIntegral(t, s1, s0) - linearIntegral(s0, s1, s0),
    ];
  }
  // dρ = e^u du with u = log ρ
  const logs = nodes.map((node) => Math.log(ratioOf(node)));
  return lagrangeIntegrals(logs, logs[0]!, Math.log(ratioOf(to)), 1);
}

const { fround, log } = Math;

function rho32(level: Level): number {
  return fround(fround(level.sigma) / fround(level.alpha));
}

/**
 * The antiderivative at `t` of the line in log ρ that is 1 at `one` and 0 at `zero`. Rounded as the reference rounds it:
 * where levels lie close together its differences cancel, and the latents of its 25-step walks show that.
 */
function linearIntegral(t: number, one: number, zero: number): number {
  const [logT, logOne, logZero] = [t, one, zero].map((rho) => fround(log(rho))) as [number, number, number];
  const rise = fround(fround(logT - logZero) - 1);
  return fround(fround(t * rise) / fround(logOne - logZero));
}
