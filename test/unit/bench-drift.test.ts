import { describe, expect, it } from "vitest";

interface Drift {
  readonly psnr: number;
  readonly ssim: number;
  readonly leastSsim: number;
  readonly fall: number;
  readonly error: number;
  readonly most: number;
}
interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}
const at = (name: string): string => new URL(`../../bench/${name}.mjs`, import.meta.url).href;
const { driftOf, beyondBounds, BOUNDS } = (await import(at("drift-bounds"))) as {
  driftOf(pairs: Record<"ratios" | "likeness" | "scores" | "exact", readonly number[]>): Drift;
  beyondBounds(drift: Pick<Drift, "psnr" | "ssim" | "most">, bounds?: object): string[];
  BOUNDS: { psnr: number; ssim: number; fall: number };
};
const { ssim, psnr } = (await import(at("picture-distance"))) as {
  ssim(a: Grey, b: Grey): number;
  psnr(a: Grey, b: Grey): number;
};

describe("the guard", () => {
  it("takes medians, and the greatest fall of the score that 95 % confidence leaves", () => {
    const drift = driftOf({
      ratios: [30, 50, 32],
      likeness: [0.9, 1, 0.98],
      scores: [69, 73, 71],
      exact: [70, 74, 75],
    });
    expect(drift).toMatchObject({ psnr: 32, ssim: 0.98, leastSsim: 0.9, fall: 2 });
    // Falls of 1, 1 and 4: a variance of 3, so an error of 1.
    expect(drift.error).toBeCloseTo(1, 12);
    expect(drift.most).toBeCloseTo((2 + 1.645) / 73, 12);
  });

  it("names each bound that is passed, and what is no number", () => {
    const within = { psnr: BOUNDS.psnr, ssim: BOUNDS.ssim, most: BOUNDS.fall };
    expect(beyondBounds(within)).toEqual([]);
    expect(beyondBounds({ ...within, psnr: BOUNDS.psnr - 0.1 })).toEqual(["PSNR"]);
    expect(beyondBounds({ ...within, ssim: BOUNDS.ssim - 0.001 })).toEqual(["SSIM"]);
    expect(beyondBounds({ ...within, most: BOUNDS.fall + 0.001 })).toEqual(["CLIP score"]);
    expect(beyondBounds({ psnr: Number.NaN, ssim: Number.NaN, most: Number.NaN })).toHaveLength(3);
  });
});

/** structural_similarity(a, b, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False), 0.26.0. */
const SCIKIT = 0.21656361570585284;

describe("structural similarity", () => {
  const picture = (value: (i: number) => number): Grey => ({
    width: 16,
    height: 12,
    data: Uint8Array.from({ length: 16 * 12 * 3 }, (_, i) => value(Math.floor(i / 3))),
  });

  it("is 1 for the same picture, and that of Wang et al. for flat ones, whose windows differ in their mean alone", () => {
    const [dark, light] = [picture(() => 100), picture(() => 120)];
    const c = (0.01 * 255) ** 2;
    expect(ssim(dark, dark)).toBeCloseTo(1, 12);
    expect(ssim(dark, light)).toBeCloseTo((2 * 100 * 120 + c) / (100 ** 2 + 120 ** 2 + c), 9);
    expect(psnr(dark, light)).toBeCloseTo(20 * Math.log10(255 / 20), 9);
  });

  it("is scikit-image's, Gaussian windows and the border cut off", () => {
    const [a, b] = [picture((i) => (i * 37) % 256), picture((i) => (i * 37 + (i % 5) * 20) % 256)];
    expect(ssim(a, b)).toBeCloseTo(SCIKIT, 9);
  });
});
