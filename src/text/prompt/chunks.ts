import type { ClipTokenizer } from "../clip-tokenizer.ts";
import type { Fragment } from "./attention.ts";

/** One row of the text encoder's input: start, words, end, padding. */
export interface WeightedRow {
  /** `maxLength` ids. */
  readonly ids: readonly number[];
  /** One for each id; 1 for start, end and padding. */
  readonly weights: readonly number[];
}

export interface ChunkOptions {
  /**
   * Where a row is full and its last comma at most this many tokens back, what follows the comma moves to the next row.
   * 0 cuts anywhere. Default 20, A1111's.
   */
  readonly backtrack?: number;
}

/**
 * Cuts a prompt of any length into rows as A1111's web UI does, each encoded by itself and joined along the tokens
 * afterwards. Fragments are tokenized one by one; a break closes its row.
 */
export function chunkPrompt(
  fragments: readonly Pick<Fragment, "text" | "weight" | "isBreak">[],
  tokenizer: ClipTokenizer,
  { backtrack = 20 }: ChunkOptions = {},
): WeightedRow[] {
  const { bosId, eosId, padId, maxLength } = tokenizer;
  const size = maxLength - 2;
  const [, comma, ...rest] = tokenizer.encode(",");
  const rows: WeightedRow[] = [];
  let row: { id: number; weight: number }[] = [];
  /** How many tokens stand before the row's last comma. */
  let beforeComma: number | undefined;
  const close = (): void => {
    const padding = size - row.length;
    rows.push({
      ids: [bosId, ...row.map(({ id }) => id), eosId, ...Array<number>(padding).fill(padId)],
      weights: [1, ...row.map(({ weight }) => weight), 1, ...Array<number>(padding).fill(1)],
    });
    row = [];
    beforeComma = undefined;
  };
  for (const { text, weight, isBreak } of fragments) {
    if (isBreak) {
      close();
      continue;
    }
    const ids = tokenizer.encode(text).slice(1, -1);
    for (let at = 0; at < ids.length; ) {
      const id = ids[at]!;
      // What stands for one word is never cut, as in the web UI.
      const word = ids.slice(at, at + tokenizer.span(id));
      at += word.length;
      // A vocabulary in which a comma is more than one token has none to go back to.
      if (id === comma && rest.length === 1) beforeComma = row.length;
      else if (row.length === size && beforeComma !== undefined && row.length - beforeComma <= backtrack) {
        const moved = row.splice(beforeComma + 1);
        close();
        row = moved;
      }
      if (row.length + word.length > size) close();
      row.push(...word.map((each) => ({ id: each, weight })));
    }
  }
  if (row.length > 0 || rows.length === 0) close();
  return rows;
}
