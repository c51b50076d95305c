import { InputError } from "../../tensor/index.ts";
import { below, chanceOf } from "./chance.ts";
import { isSkipped, type Places, type Skipped } from "./dataset.ts";

/** The places 0 … length − 1 in the order of an epoch, shuffled (Fisher & Yates, Durstenfeld 1964). */
export function order(seed: number, epoch: number, length: number): Uint32Array {
  const chance = chanceOf(seed, 0, epoch);
  const places = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = below(chance, i + 1);
    [places[i], places[j]] = [places[j]!, places[i]!];
  }
  return places;
}

export interface WalkOptions {
  /** Fixes the order and every choice. */
  readonly seed: number;
  /** Places that were passed before: where an earlier walk stopped. Default 0. */
  readonly position?: number;
  /** Told of every unusable example, in every epoch. */
  readonly onSkip?: (what: Skipped) => void;
  readonly signal?: AbortSignal;
}

/** An example on the way. */
export interface Stop<Thing> {
  readonly example: Thing;
  /** Where it lies in the dataset. */
  readonly index: number;
  /** Places that were passed with it: {@link WalkOptions.position} of a walk that goes on after it. */
  readonly position: number;
}

/**
 * Examples without end: each epoch passes all of them, in an order of its own. From the same position with the same seed
 * come the same examples with the same choices.
 *
 * @throws InputError when there is nothing usable in it
 * @throws what the signal says
 */
export async function* walk<Thing extends object>(
  dataset: Places<Thing>,
  { seed, position = 0, onSkip = () => {}, signal }: WalkOptions,
): AsyncGenerator<Stop<Thing>, never, void> {
  const { length } = dataset;
  if (length === 0) throw new InputError(`There is nothing in ${dataset.name}.`);
  let unusable = 0;
  for (let epoch = Math.floor(position / length); ; epoch++) {
    const places = order(seed, epoch, length);
    for (; position < (epoch + 1) * length; position++) {
      signal?.throwIfAborted();
      const index = places[position % length]!;
      const example = await dataset.at(index, { chance: chanceOf(seed, 1, position), signal });
      if (!isSkipped(example)) {
        unusable = 0;
        yield { example, index, position: position + 1 };
        continue;
      }
      onSkip(example);
      if (++unusable === length) throw new InputError(`Nothing in ${dataset.name} can be used. ${example.skipped}`);
    }
  }
}
