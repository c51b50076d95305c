import type { Picture } from "../../image/index.ts";

/** What is known of a picture beside its caption, as it stands in a line of metadata.jsonl. */
export type Attributes = Readonly<Record<string, unknown>>;

/** A picture and what is said of it. */
export interface Example {
  /** Its name among all, such as the path in its folder. */
  readonly key: string;
  readonly picture: Picture;
  readonly caption: string;
  readonly attributes?: Attributes;
}

/** A place whose example is unusable. */
export interface Skipped {
  readonly key: string;
  /** Why: a sentence that names the file. */
  readonly skipped: string;
}

/** How an example is looked at. */
export interface Visit {
  /** Decides where there is a choice: of captions, of a crop, of mirroring. Absent: the first, the middle, as it is. */
  readonly chance?: Chance;
  readonly signal?: AbortSignal;
}

/** A random number, 0 ≤ x < 1. */
export type Chance = () => number;

/** Things by their places, 0 … length − 1. Nothing is read or made before it is asked for. */
export interface Places<Thing> {
  /** For messages: the folder, the file, the generator. */
  readonly name: string;
  /** Unusable places are counted too. */
  readonly length: number;
  /**
   * What is at a place, or why there is nothing: what is wrong with a file is never thrown.
   *
   * @throws what the signal says; what is the machine's fault
   */
  at(index: number, visit?: Visit): Promise<Thing | Skipped>;
}

/** Pictures to learn from. */
export interface Dataset extends Places<Example> {
  /**
   * Another text where an example's file or captions are others, and the same where they are: what a cache goes by.
   * Decodes nothing.
   */
  identify(index: number): Promise<string>;
}

/** How many examples to draw, and which. */
export interface GeneratorOptions {
  readonly count: number;
  /** Pixels of a side. */
  readonly size?: number;
  /** An integer ≥ 0. Default 0. */
  readonly seed?: number;
  /** Whether to draw what is learnt, or the combinations of attributes that never are. Default "train". */
  readonly split?: "train" | "heldout";
}

export const isSkipped = (what: object): what is Skipped => "skipped" in what;
