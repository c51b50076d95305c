import type { ScheduleRequest } from "../schedule.ts";
import { linspace } from "../vector.ts";

/**
 * Quantiles of a Beta(alpha, beta) distribution between the two sigmas: more steps at both ends than in the middle
 * (Lee et al. 2024, "Beta Sampling is All You Need").
 */
export function beta(request: Omit<ScheduleRequest, "table">, alpha = 0.6, beta = 0.6): number[] {
  const { steps, sigmaMin, sigmaMax } = request;
  return linspace(0, 1, steps).map((ramp) => sigmaMin + betaQuantile(1 - ramp, alpha, beta) * (sigmaMax - sigmaMin));
}

/** The x in [0, 1] below which Beta(a, b) has the probability p, to double precision, by bisection. */
export function betaQuantile(p: number, a: number, b: number): number {
  // Bisect on whichever side of the median keeps x small, where doubles are dense.
  if (p > regularizedBeta(0.5, a, b)) return 1 - betaQuantile(1 - p, b, a);
  let [low, high] = [0, 0.5];
  for (let i = 0; i < 200 && low < high; i++) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (regularizedBeta(middle, a, b) < p) low = middle;
    else high = middle;
  }
  return p === 0 ? 0 : high;
}

/** I_x(a, b), the regularised incomplete beta function: Lentz's method on DLMF 8.17.22. */
function regularizedBeta(x: number, a: number, b: number): number {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularizedBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) - logBeta(a, b)) / a;
  let [c, d] = [1, 1 / (1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d);
    c = 1 + even / c;
    fraction *= c * d;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d);
    c = 1 + odd / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}

function logBeta(a: number, b: number): number {
  return logGamma(a) + logGamma(b) - logGamma(a + b);
}

/** log Γ(x) for x > 0: Stirling's series after shifting x beyond 15. */
function logGamma(x: number): number {
  let [shifted, product] = [x, 1];
  while (shifted < 15) product *= shifted++;
  const inverse = 1 / (shifted * shifted);
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / shifted;
  return (shifted - 0.5) * Math.log(shifted) - shifted + Math.log(2 * Math.PI) / 2 + series - Math.log(product);
}
