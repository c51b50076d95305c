import { lagrangeIntegrals } from "../lagrange.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine, slope } from "../vector.ts";

/**
 * Linear multistep: the slopes of up to `order` calls, extrapolated by a polynomial in sigma that is integrated exactly
 * (Adams–Bashforth for uneven steps). One call a step.
 */
export function* lms(journey: Journey, { order = 4 }: { order?: number } = {}): Walker {
  const { levels } = journey;
  const slopes: Float32Array[] = [];
  let { x } = journey;
  for (let step = 0; step < levels.length - 1; step++) {
    const here = levels[step]!;
    const { x0 } = yield { x, level: here, step };
    slopes.unshift(slope(x, x0, here.sigma));
    slopes.length = Math.min(slopes.length, order);
    const nodes = slopes.map((_, k) => levels[step - k]!.sigma);
    const weights = lagrangeIntegrals(nodes, here.sigma, levels[step + 1]!.sigma);
    x = combine([1, x], ...weights.map((weight, k) => [weight, slopes[k]!] as const));
  }
  return x;
}
