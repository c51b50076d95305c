import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { adamWDefaults, adamWScalars, type LearningRate, learningRateAt } from "../../src/training/index.ts";

const { cases, ema } = JSON.parse(readFileSync(new URL("../golden/learning_rate.json", import.meta.url), "utf8")) as {
  cases: (Required<LearningRate> & { rates: number[] })[];
  ema: [step: number, decay: number][];
};

describe("the learning rate", () => {
  it.each(cases)("of diffusers: $schedule after $warmUp steps of warm-up", ({ rates, ...settings }) => {
    expect(rates).toHaveLength(settings.steps);
    for (const [step, want] of rates.entries()) {
      const got = learningRateAt(step, settings);
      expect(Math.abs(got - want), `step ${step}`).toBeLessThanOrEqual(1e-12 * settings.rate);
    }
  });

  it("is at its highest from the first step on where nothing else is said", () => {
    expect(learningRateAt(0, { rate: 0.1, steps: 10 })).toBe(0.1);
    expect(learningRateAt(9, { rate: 0.1, steps: 10 })).toBe(0.1);
  });
});

describe("the average of the weights", () => {
  const decay = (step: number, emaWarmUp: boolean) =>
    adamWScalars({ ...adamWDefaults, emaDecay: 0.999, emaWarmUp }, { step, learningRate: 1, clip: 1 }).ema_decay
      .data[0];

  it.each(ema)("decays as diffusers' EMAModel in step %i", (step, want) => {
    expect(decay(step, true)).toBe(Math.fround(want));
    expect(decay(step, false)).toBe(Math.fround(0.999));
  });
});
