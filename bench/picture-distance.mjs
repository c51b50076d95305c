/** How far two 8-bit RGB pictures of one size are from each other. */

/** Peak signal-to-noise ratio in dB: 10 · log₁₀(255² / mean squared difference). */
export function psnr(a, b) {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += (a.data[i] - b.data[i]) ** 2;
  return 10 * Math.log10((255 ** 2 * a.data.length) / sum);
}

/** Wang et al. 2004, §III-C: a Gaussian window of 11 × 11 with σ = 1.5, and the constants that keep quotients finite. */
const WINDOW = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / (2 * 1.5 ** 2)));
const TOTAL = WINDOW.reduce((sum, weight) => sum + weight);
const [C1, C2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2];

/**
 * Mean structural similarity (Wang et al. 2004, eq. 13 and 17) of the grey pictures, where the window lies wholly inside:
 * 1 for the same picture, about 0 for two that have nothing in common.
 */
export function ssim(a, b) {
  const { width, height } = a;
  const [x, y] = [grey(a), grey(b)];
  const mean = (f) => blurred(f, width, height);
  const [mx, my] = [mean((i) => x[i]), mean((i) => y[i])];
  const [xx, yy, xy] = [mean((i) => x[i] ** 2), mean((i) => y[i] ** 2), mean((i) => x[i] * y[i])];
  const each = mx.map((u, i) => {
    const v = my[i];
    const likeness = (2 * u * v + C1) * (2 * (xy[i] - u * v) + C2);
    return likeness / ((u * u + v * v + C1) * (xx[i] - u * u + yy[i] - v * v + C2));
  });
  return each.reduce((sum, value) => sum + value) / each.length;
}

/** Rec. 601's luma. */
function grey({ data, width, height }) {
  return Float64Array.from(
    { length: width * height },
    (_, i) => 0.299 * data[3 * i] + 0.587 * data[3 * i + 1] + 0.114 * data[3 * i + 2],
  );
}

/** `value(i)` of each place under the window, first along the rows, then along the columns. */
function blurred(value, width, height) {
  const reach = WINDOW.length - 1;
  const [columns, rows] = [width - reach, height - reach];
  const across = new Float64Array(columns * height);
  for (let i = 0; i < across.length; i++) {
    const start = Math.floor(i / columns) * width + (i % columns);
    for (let k = 0; k <= reach; k++) across[i] += WINDOW[k] * value(start + k);
  }
  return Float64Array.from({ length: columns * rows }, (_, i) => {
    let sum = 0;
    for (let k = 0; k <= reach; k++) sum += WINDOW[k] * across[i + k * columns];
    return sum / TOTAL ** 2;
  });
}
