/**
 * Merges neighbouring symbols, always the pair of lowest rank and of those the leftmost, until no pair has a rank.
 * A heap of candidate pairs over a linked list keeps it at n log n for a word of n symbols.
 *
 * @param symbols ids; the array is used up as working space
 * @param rankOf the place of a pair among the merges, undefined where they have none
 * @param products the id that each rank's merge makes
 */
export function mergeSymbols(
  symbols: number[],
  rankOf: (left: number, right: number) => number | undefined,
  products: readonly number[],
): number[] {
  const n = symbols.length;
  const next = new Int32Array(n);
  const previous = new Int32Array(n);
  const heap: number[] = [];
  const consider = (at: number) => {
    if (at < 0 || next[at]! >= n) return;
    const rank = rankOf(symbols[at]!, symbols[next[at]!]!);
    // Rank and place in one number, so that one comparison orders by both.
    if (rank !== undefined) push(heap, rank * PLACES + at);
  };
  for (let i = 0; i < n; i++) {
    next[i] = i + 1;
    previous[i] = i - 1;
  }
  for (let i = 0; i < n; i++) consider(i);

  while (heap.length > 0) {
    const key = pop(heap);
    const at = key % PLACES;
    const rank = (key - at) / PLACES;
    const right = next[at]!;
    // A candidate goes stale when a merge beside it has taken one of its symbols.
    if (right >= n || right === GONE || rankOf(symbols[at]!, symbols[right]!) !== rank) continue;
    symbols[at] = products[rank]!;
    const after = next[right]!;
    next[at] = after;
    next[right] = GONE;
    if (after < n) previous[after] = at;
    consider(previous[at]!);
    consider(at);
  }
  const merged: number[] = [];
  for (let at = 0; at < n; at = next[at]!) merged.push(symbols[at]!);
  return merged;
}

const PLACES = 2 ** 32;
/** What follows a symbol that has been merged into the one before it. */
const GONE = -1;

function push(heap: number[], key: number): void {
  let at = heap.length;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= key) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = key;
}

function pop(heap: number[]): number {
  const top = heap[0]!;
  const key = heap.pop()!;
  const n = heap.length;
  if (n === 0) return top;
  let at = 0;
  for (let child = 1; child < n; child = 2 * at + 1) {
    if (child + 1 < n && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= key) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = key;
  return top;
}
