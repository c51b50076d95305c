import { float32, type Tensor } from "../tensor/index.ts";
import { type Dataset, type Example, isSkipped, type Places } from "./data/dataset.ts";
import type { Lesson } from "./lesson.ts";

/** A picture of one's own, and one of what the model knew of its kind. */
export interface Pair {
  readonly own: Example;
  readonly prior: Example;
}

/** As many as the longer of the two has, the other again and again. */
export function pairs(own: Dataset, prior: Dataset): Places<Pair> {
  return {
    name: own.name,
    length: Math.max(own.length, prior.length),
    async at(index, visit) {
      const [mine, known] = [await own.at(index % own.length, visit), await prior.at(index % prior.length, visit)];
      if (isSkipped(mine)) return mine;
      return isSkipped(known) ? known : { own: mine, prior: known };
    },
  };
}

/**
 * A lesson of a noise predictor that keeps what it knew (Ruiz et al. 2023, "DreamBooth", eq. 2): the loss is the mean over one's own
 * pictures and, `weight` times, that over the others.
 */
export function withPrior(lesson: Lesson, weight: number): Lesson<Pair> {
  return {
    ...lesson,
    loss: (count) => lesson.loss(2 * count),
    async batch(all, random, step) {
      const examples = [...all.map(({ own }) => own), ...all.map(({ prior }) => prior)];
      const batch = await lesson.batch(examples, random, step);
      const { shape, data } = batch["weight"] as Tensor<"float32">;
      // The mean of both halves together is half of the sum of theirs.
      const weights = data.map((each, i) => each * 2 * (i < all.length ? 1 : weight));
      return { ...batch, weight: float32(shape, weights) };
    },
  };
}
