import { median } from "../dist/pipelines/timing.js";

/** The least median PSNR in dB and SSIM, and the share of its value that the CLIP score may fall by (one-sided, 95 %). */
export const BOUNDS = { psnr: 28, ssim: 0.95, fall: 0.01 };

/** One-sided 95 % of the normal distribution, in standard errors. */
const CONFIDENCE = 1.645;

/**
 * What a shortcut moved, of the pairs' PSNR (`ratios`), SSIM (`likeness`) and CLIP scores: medians, the mean fall of the score
 * with its standard error, and `most`, the share of the exact score that it has fallen by at most.
 *
 * @param {Record<"ratios" | "likeness" | "scores" | "exact", readonly number[]>} pairs
 */
export function driftOf({ ratios, likeness, scores, exact }) {
  const falls = scores.map((score, i) => exact[i] - score);
  const [fall, error] = [mean(falls), standardError(falls)];
  return {
    psnr: median(ratios),
    ssim: median(likeness),
    leastSsim: Math.min(...likeness),
    fall,
    error,
    most: (fall + CONFIDENCE * error) / mean(exact),
  };
}

/** The names of what lies beyond its bound; what is no number does. */
export function beyondBounds({ psnr, ssim, most }, bounds = BOUNDS) {
  return [
    ...(psnr >= bounds.psnr ? [] : ["PSNR"]),
    ...(ssim >= bounds.ssim ? [] : ["SSIM"]),
    ...(most <= bounds.fall ? [] : ["CLIP score"]),
  ];
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value) / values.length;
}

/** Of the mean. */
function standardError(values) {
  const middle = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  return Math.sqrt(variance / values.length);
}
