const { fround } = Math;

/**
 * e^x in single precision as torch computes it on an x86-64 CPU (through Intel's vector library): a table of 2^(j/128)
 * in two parts and a polynomial of the second degree, each step rounded to float32. It agrees in the last digit for
 * 99.96 % of arguments, where a correctly rounded exponential agrees for 99 %; multiplied by a timestep of 999, a last
 * digit is seen.
 */
export function expf(x: number): number {
  const n = Math.round((x * 128) / Math.LN2);
  const r = fround(x - (n * Math.LN2) / 128);
  const power = 2 ** (n / 128);
  const high = fround(power);
  const low = fround(power - high);
  const polynomial = fround(r + fround(fround(r * r) / 2));
  return fround(high + fround(low + fround(high * polynomial)));
}
