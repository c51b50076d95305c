/** Sums of latents. A latent is a flat Float32Array; the arithmetic inside one sum is double. */

/** Σ cₖ·vₖ, rounded once. A term of weight 0 is left out, so that 0 · ∞ cannot spoil the sum. */
export function combine(...terms: readonly (readonly [weight: number, vector: Float32Array])[]): Float32Array {
  const used = terms.filter(([weight]) => weight !== 0);
  const weights = used.map(([weight]) => weight);
  const vectors = used.map(([, vector]) => vector);
  const out = new Float32Array(terms[0]![1].length);
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (let k = 0; k < weights.length; k++) sum += weights[k]! * vectors[k]![i]!;
    out[i] = sum;
  }
  return out;
}

/**
 * Karras et al.'s d = (x − x0)/σ, the slope dx/dσ of the ODE. Rounded to float32 after each operation, and so is `follow`:
 * from σ = 4096, where zero-SNR walks start, d · Δσ almost cancels x, and what remains is the reference's own rounding.
 */
export function slope(x: Float32Array, x0: Float32Array, sigma: number): Float32Array {
  return x.map((value, i) => Math.fround(value - x0[i]!) / sigma);
}

/** x + d · Δσ. */
export function follow(x: Float32Array, d: Float32Array, deltaSigma: number): Float32Array {
  const delta = Math.fround(deltaSigma);
  return x.map((value, i) => value + Math.fround(d[i]! * delta));
}

/** Standard deviation with Bessel's correction (divided by n − 1), as torch's `std`. */
export function standardDeviation(values: Float32Array): number {
  let mean = 0;
  for (const value of values) mean += value;
  mean /= values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  return Math.sqrt(squares / (values.length - 1));
}

/** `n` numbers from `from` to `to`, both included, with NumPy's roundings; n = 1 gives `from`. */
export function linspace(from: number, to: number, n: number): number[] {
  const step = (to - from) / (n - 1);
  return Array.from({ length: n }, (_, i) => (i === 0 ? from : i === n - 1 ? to : from + i * step));
}
