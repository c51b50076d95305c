/** The small mathematics that samplers and schedules share. */
import { describe, expect, it } from "vitest";
import {
  ancestralStep,
  exploding,
  guidanceRests,
  guide,
  guidedSteps,
  preserving,
  ratioOf,
  rescaleGuidance,
} from "../../src/diffusion/index.ts";
import { lagrangeIntegrals } from "../../src/diffusion/lagrange.ts";
import { solve } from "../../src/diffusion/linear-system.ts";
import { betaQuantile } from "../../src/diffusion/schedules/beta.ts";
import { spacedTimesteps } from "../../src/diffusion/spacing.ts";
import { combine, linspace, standardDeviation } from "../../src/diffusion/vector.ts";
import { InputError, roundHalfEven } from "../../src/tensor/index.ts";

describe("guidance", () => {
  const [uncond, cond] = [Float32Array.of(1, 2, -1, 0.5), Float32Array.of(0.3, 3, 1e-7, -2)];

  it("is exactly the one at 0 and the other at 1, finite or not", () => {
    expect(guide(uncond, cond, 0)).toEqual(uncond);
    expect(guide(uncond, cond, 1)).toEqual(cond);
    expect(guide(Float32Array.of(Infinity), Float32Array.of(2), 1)).toEqual(Float32Array.of(2));
  });

  it("goes past the prompt above 1 and the other way below 0", () => {
    expect(guide(Float32Array.of(1), Float32Array.of(2), 7.5)[0]).toBe(8.5);
    expect(guide(Float32Array.of(1), Float32Array.of(2), -1)[0]).toBe(0);
  });

  it("rescaled wholly has the prompt's spread, picture by picture", () => {
    const guided = guide(uncond, cond, 7.5);
    expect(rescaleGuidance(guided, cond, 0)).toEqual(guided);
    expect(standardDeviation(rescaleGuidance(guided, cond, 1))).toBeCloseTo(standardDeviation(cond), 6);
    const both = rescaleGuidance(Float32Array.of(...guided, ...cond), Float32Array.of(...cond, ...cond), 1, 2);
    expect(standardDeviation(both.subarray(0, 4))).toBeCloseTo(standardDeviation(cond), 6);
    expect(both.subarray(4)).toEqual(cond);
  });

  it("works in the steps that diffusers' guiders would take for start and stop", () => {
    expect(guidedSteps(25)).toEqual({ first: 0, end: 25 });
    expect(guidedSteps(25, [0, 0.7])).toEqual({ first: 0, end: 17 });
    expect(guidedSteps(12, [0.2, 0.8])).toEqual({ first: 2, end: 9 });
    expect(guidedSteps(1, [0, 1])).toEqual({ first: 0, end: 1 });
    for (const share of [0, 0.3, 0.5, 1]) {
      const { first, end } = guidedSteps(10, [share, share]);
      expect(end).toBe(first);
    }
  });

  it("rests in every second call below a noise level", () => {
    const rests = (least: number) => [5, 4, 3, 2, 1, 0.5].map((sigma, call) => guidanceRests(call, sigma, least));
    expect(rests(3)).toEqual([false, false, false, true, false, true]);
    expect(rests(1000)).toEqual([false, true, false, true, false, true]);
    expect(rests(0)).not.toContain(true);
  });
});

describe("levels", () => {
  it("hold the same ratio in both frames", () => {
    expect(ratioOf(preserving(14.6))).toBeCloseTo(ratioOf(exploding(14.6)), 12);
    const { alpha, sigma } = preserving(0.7);
    expect(alpha ** 2 + sigma ** 2).toBeCloseTo(1, 15);
  });

  it("split an ancestral step into down and up", () => {
    const { down, up } = ancestralStep(exploding(5), exploding(3), 1);
    expect(down ** 2 + up ** 2).toBeCloseTo(9, 12);
    expect(down).toBeCloseTo(9 / 5, 12);
    expect(ancestralStep(exploding(5), exploding(3), 0)).toEqual({ down: 3, up: 0 });
    expect(ancestralStep(exploding(5), exploding(0), 1)).toEqual({ down: 0, up: 0 });
  });

  it("may hold no signal at all", () => {
    const { down, up } = ancestralStep({ alpha: 0, sigma: 1 }, preserving(3), 1);
    expect(up).toBeCloseTo(preserving(3).sigma, 12);
    expect(down).toBeCloseTo(0, 6);
  });
});

describe("numbers", () => {
  // scipy.stats.beta.ppf, scipy 1.17.1
  it.each([
    [0.5, 0.6, 0.6, 0.5000000000000001],
    [0.125, 0.6, 0.6, 0.05715636362241408],
    [0.04, 0.6, 0.6, 0.00866376938478334],
    [0.9, 0.6, 0.6, 0.9604155944112192],
    [0.25, 2, 3, 0.24302208375607628],
    [0.99, 2, 3, 0.859132457305454],
    [1e-6, 0.6, 0.6, 1.8558824624053043e-10],
    [0.7, 5, 0.5, 0.9845150730912595],
  ])("beta quantile of %f at (%f, %f)", (p, a, b, want) => {
    expect(Math.abs(betaQuantile(p, a, b) / want - 1)).toBeLessThan(1e-12);
  });

  it("beta quantiles end at 0 and 1", () => {
    expect([betaQuantile(0, 0.6, 0.6), betaQuantile(1, 0.6, 0.6)]).toEqual([0, 1]);
  });

  it("Lagrange integrals reproduce polynomials", () => {
    const nodes = [0.5, 1.25, 3];
    const weights = lagrangeIntegrals(nodes, 0.5, -1);
    // ∫ from 0.5 to −1 of τ² − 2τ
    const integral = nodes.reduce((sum, node, k) => sum + weights[k]! * (node ** 2 - 2 * node), 0);
    expect(integral).toBeCloseTo((-1 - 0.125) / 3 - (1 - 0.25), 12);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(-1.5, 12);
  });

  it("Lagrange integrals weigh by an exponential", () => {
    const weights = lagrangeIntegrals([0.2, -0.4], 0.2, 0.9, 2);
    const [constant, linear] = [weights[0]! + weights[1]!, weights[0]! * 0.2 + weights[1]! * -0.4];
    expect(constant).toBeCloseTo((Math.exp(1.8) - Math.exp(0.4)) / 2, 12);
    expect(linear).toBeCloseTo(Math.exp(1.8) * (0.45 - 0.25) - Math.exp(0.4) * (0.1 - 0.25), 12);
  });

  it("solves small systems that need a pivot", () => {
    const x = solve(
      [
        [0, 2, 1],
        [1, 1, 1],
        [2, 0, -1],
      ],
      [7, 6, -1],
    );
    [1, 2, 3].forEach((want, i) => {
      expect(x[i]).toBeCloseTo(want, 12);
    });
  });

  it("sums with weights, rounding once and leaving out weight 0", () => {
    expect(combine([1, Float32Array.of(1)], [0, Float32Array.of(Infinity)])).toEqual(Float32Array.of(1));
    expect(combine([2, Float32Array.of(0.5)], [-1, Float32Array.of(1)])[0]).toBe(0);
  });

  it("rounds and spaces as NumPy", () => {
    expect([0.5, 1.5, 2.5, -0.5, 2.4].map(roundHalfEven)).toEqual([0, 2, 2, 0, 2]);
    expect(linspace(0, 999, 1)).toEqual([0]);
    expect(linspace(0, 1, 3)).toEqual([0, 0.5, 1]);
  });
});

describe("spacing (Lin et al. 2023, table 2)", () => {
  const spaced = (spacing: "leading" | "linspace" | "trailing", steps = 10, endPoint: 0 | 1 = 0) =>
    spacedTimesteps({ spacing, steps, trainSteps: 1000, offset: 0, endPoint }).map(Math.round);

  it("gives the table's timesteps", () => {
    expect(spaced("leading")).toEqual([900, 800, 700, 600, 500, 400, 300, 200, 100, 0]);
    expect(spaced("linspace")).toEqual([999, 888, 777, 666, 555, 444, 333, 222, 111, 0]);
    expect(spaced("trailing")).toEqual([999, 899, 799, 699, 599, 499, 399, 299, 199, 99]);
  });

  it("refuses more steps than timesteps", () => {
    expect(spaced("trailing", 1000)).toHaveLength(1000);
    expect(() => spaced("leading", 1000, 1)).toThrow(/at most 999/);
    expect(() => spaced("linspace", 1001)).toThrow(InputError);
  });
});
