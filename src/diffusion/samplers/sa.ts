import type { Extrapolated } from "../exponential-integrator.ts";
import { lagrangeIntegrals } from "../lagrange.ts";
import { type Level, lambdaOf } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface SaOptions {
  predictorOrder?: number;
  correctorOrder?: number;
  extrapolate?: Extrapolated;
  /** How stochastic the SDE is at a timestep: 0 the ODE, 1 the reverse SDE. */
  tau?: (timestep: number) => number;
  lowerOrderFinal?: boolean;
}

interface Past {
  value: Float32Array;
  level: Level;
}

/**
 * SA-Solver (Xue et al. 2023, algorithm 1): stochastic Adams–Bashforth predictor and Adams–Moulton corrector. The
 * corrector reuses the call and the noise of the step that it corrects. One call and one draw a step.
 */
export function* sa(journey: Journey, options: SaOptions = {}): Walker {
  const { predictorOrder = 2, correctorOrder = 2, extrapolate = "x0", lowerOrderFinal = true } = options;
  const { tau = (t) => (t >= 200 && t <= 800 ? 1 : 0) } = options;
  const { levels, noise } = journey;
  const steps = levels.length - 1;
  const history: Past[] = [];
  let { x } = journey;
  let leap: Leap | undefined;
  for (let step = 0; step < steps; step++) {
    const [here, next] = [levels[step]!, levels[step + 1]!];
    const estimate = yield { x, level: here, step };
    const left = lowerOrderFinal ? steps - step : Infinity;
    history.unshift({ value: estimate[extrapolate], level: here });
    if (leap) x = adams(leap, history.slice(0, Math.min(correctorOrder, left + 2)));
    history.length = Math.min(history.length, Math.max(predictorOrder, correctorOrder - 1));

    leap = { x, from: here, to: next, tau: tau(here.timestep ?? 0), z: noise(), extrapolate };
    x = adams(leap, history.slice(0, Math.min(predictorOrder, left)));
  }
  return x;
}

interface Leap {
  x: Float32Array;
  from: Level;
  to: Level;
  tau: number;
  z: Float32Array;
  extrapolate: Extrapolated;
}

/** The step `from` → `to` with the predictions in `known`, newest first: `to`'s own among them makes it the corrector. */
function adams({ x, from, to, tau, z, extrapolate }: Leap, known: readonly Past[]): Float32Array {
  const nodes = known.map((past) => lambdaOf(past.level));
  const [a, b] = [lambdaOf(from), lambdaOf(to)];
  const h = b - a;
  const speed = 1 + tau ** 2;
  if (extrapolate === "epsilon") {
    const weights = lagrangeIntegrals(nodes, a, b, -1).map((weight) => -speed * to.alpha * weight);
    return combine([to.alpha / from.alpha, x], ...weights.map((weight, k) => [weight, known[k]!.value] as const), [
      tau * to.sigma * Math.sqrt(Math.expm1(2 * h)),
      z,
    ]);
  }
  const weights = lagrangeIntegrals(nodes, a, b, speed);
  if (known.length === 2) {
    // Second order: the first derivative's weight becomes the midpoint rule's h²/2 (Xue et al. 2023, appendix).
    const exact = (h * speed - 1 + Math.exp(-speed * h)) / speed ** 2;
    const bend = (Math.exp(speed * b) * (h ** 2 / 2 - exact)) / (nodes[0]! - nodes[1]!);
    weights[0]! += bend;
    weights[1]! -= bend;
  }
  const scale = speed * to.sigma * Math.exp(-(tau ** 2) * b);
  return combine(
    [Math.exp(-(tau ** 2) * h) * (to.sigma / from.sigma), x],
    ...weights.map((weight, k) => [scale * weight, known[k]!.value] as const),
    [to.sigma * Math.sqrt(-Math.expm1(-2 * tau ** 2 * h)), z],
  );
}
