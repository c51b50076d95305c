/** A row of tokens as the text encoder answered it, and how much each token counts. */
export interface EmphasizedRow {
  /** T tokens of D values each. */
  readonly embedding: Float32Array;
  /** T weights; 1 is neutral. */
  readonly weights: readonly number[];
  /** How often it counts in a mean that several rows share. Default 1. */
  readonly times?: number;
}

/**
 * What weights do to a text's embedding:
 * - `original`: every token's vector times its weight, then the row brought back to its mean before (A1111's default);
 *   the texts that one prompt goes through share the means of the rows at the same place, as they do there
 * - `no-norm`: the same without bringing back (A1111's "No norm")
 * - `joined`: brought back to the mean of all rows of the text together (diffusers' long-prompt pipelines)
 * - `from-empty`: from the empty prompt's embedding, weight times as far (compel)
 * - `off`: nothing (A1111's "Ignore")
 */
export const emphases = ["original", "no-norm", "joined", "from-empty", "off"] as const;
export type Emphasis = (typeof emphases)[number];

/** Whether {@link emphasize} will look at the empty prompt's embedding. */
export function needsEmpty(emphasis: Emphasis, rows: readonly Pick<EmphasizedRow, "weights">[]): boolean {
  return emphasis === "from-empty" && !rows.every(isNeutral);
}

/**
 * The embeddings of `texts`, each its rows, under `emphasis`. Where no weight is other than 1 they are the very arrays
 * that were given.
 *
 * @param empty the empty prompt's embedding, for `from-empty`
 */
export function emphasize(
  texts: readonly (readonly EmphasizedRow[])[],
  emphasis: Emphasis,
  empty?: Float32Array,
): Float32Array[][] {
  switch (emphasis) {
    case "off":
      return texts.map((rows) => rows.map(({ embedding }) => embedding));
    case "no-norm":
      return texts.map((rows) => rows.map((row) => weighted(row)));
    case "from-empty":
      return texts.map((rows) => rows.map((row) => weighted(row, empty)));
    case "joined":
      return texts.map(restored);
    case "original": {
      const places = Math.max(...texts.map((rows) => rows.length));
      const out: Float32Array[][] = texts.map(() => []);
      for (let place = 0; place < places; place++) {
        const found = restored(texts.flatMap((rows) => rows.slice(place, place + 1)));
        for (const [i, rows] of texts.entries()) if (place < rows.length) out[i]!.push(found.shift()!);
      }
      return out;
    }
  }
}

const isNeutral = ({ weights }: Pick<EmphasizedRow, "weights">): boolean => weights.every((weight) => weight === 1);

/** base + weight · (x − base), base being 0 where there is none. */
function weighted(row: EmphasizedRow, base?: Float32Array): Float32Array {
  if (isNeutral(row)) return row.embedding;
  const channels = row.embedding.length / row.weights.length;
  return row.embedding.map((x, i) => {
    const weight = row.weights[Math.floor(i / channels)]!;
    const from = base?.[i] ?? 0;
    return weight === 1 ? x : from + weight * (x - from);
  });
}

/** Weighted, then all of them times mean before / mean after. */
function restored(rows: readonly EmphasizedRow[]): Float32Array[] {
  if (rows.every(isNeutral)) return rows.map(({ embedding }) => embedding);
  const after = rows.map((row) => weighted(row));
  let [sumBefore, sumAfter] = [0, 0];
  for (const [i, { embedding, times = 1 }] of rows.entries()) {
    sumBefore += times * sum(embedding);
    sumAfter += times * sum(after[i]!);
  }
  const ratio = sumBefore / sumAfter;
  return after.map((row) => row.map((x) => x * ratio));
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
