import { expect, test } from "vitest";
import { firstLossScale, type LossScale, nextLossScale } from "../../src/training/loss-scale.ts";

test("the loss scale is that of torch's GradScaler", () => {
  expect(firstLossScale).toEqual({ factor: 65_536, steps: 0 });
  const after = (scale: LossScale, count: number): LossScale =>
    Array.from({ length: count }).reduce<LossScale>((known) => nextLossScale(known, false), scale);
  expect(after(firstLossScale, 1999)).toEqual({ factor: 65_536, steps: 1999 });
  expect(after(firstLossScale, 2000)).toEqual({ factor: 131_072, steps: 0 });
  expect(nextLossScale(after(firstLossScale, 1999), true)).toEqual({ factor: 32_768, steps: 0 });
});
