import type { WeightBits } from "../graph/index.ts";
import type { WeightForm } from "./limits.ts";

/** Smaller weights, as those of the first and the last convolution, matter much and take little: they stay as they are. */
const SMALLEST = 2 ** 14;
/** From so many numbers on, weights of "4bit" are kept in 4 bits: the deep levels', which take most and show least. */
const LARGE = 2 ** 19;

/** In how many bits a weight of so many numbers is kept. */
export function bitsFor(form: WeightForm, count: number): WeightBits | undefined {
  if (form === "float32" || count < SMALLEST) return undefined;
  return form === "4bit" && count >= LARGE ? 4 : 8;
}
