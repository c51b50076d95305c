import { InputError, type StoredTensor } from "../../tensor/index.ts";
import { storeOf, type WeightStore } from "../store.ts";

/**
 * What follows a prefix, theirs → ours, whole path segments only. A list cuts their rows into equal parts: fused
 * projections are rows of one matrix after another, so a part is only another offset.
 */
export type Leaves = Readonly<Record<string, string | readonly string[]>>;

/** One line of a key table: names that begin with `from` begin with `to` here. */
export interface Rule {
  readonly from: string;
  readonly to: string;
  readonly leaves?: Leaves;
  /** Their 1×1 convolutions [out, in, 1, 1] are our matrices [out, in]: the same bytes. */
  readonly matrices?: boolean;
}

/** The store under our names. The longest prefix that fits decides; names that none fits stay as they are. */
export function renamed(store: WeightStore, rules: readonly Rule[]): WeightStore {
  const order = [...rules].sort((a, b) => b.from.length - a.from.length);
  const tensors = new Map<string, StoredTensor>();
  for (const name of store.names()) {
    const stored = store.get(name)!;
    const rule = order.find(({ from }) => name.startsWith(from));
    if (!rule) tensors.set(name, stored);
    else {
      const targets = leaf(name.slice(rule.from.length), rule.leaves);
      const parts = rows(rule.matrices ? asMatrix(stored) : stored, targets.length, `${store.describe()}: ${name}`);
      for (const [i, target] of targets.entries()) tensors.set(rule.to + target, parts[i]!);
    }
  }
  return storeOf(tensors, store.describe());
}

/** Only the names that begin with `prefix`, without it. */
export function below(store: WeightStore, prefix: string): WeightStore {
  const tensors = new Map<string, StoredTensor>();
  for (const name of store.names()) {
    if (name.startsWith(prefix)) tensors.set(name.slice(prefix.length), store.get(name)!);
  }
  return storeOf(tensors, store.describe());
}

function leaf(rest: string, leaves: Leaves = {}): readonly string[] {
  for (const [theirs, ours] of Object.entries(leaves)) {
    if (rest !== theirs && !rest.startsWith(`${theirs}.`)) continue;
    const tail = rest.slice(theirs.length);
    return (typeof ours === "string" ? [ours] : ours).map((name) => name + tail);
  }
  return [rest];
}

function rows(stored: StoredTensor, count: number, where: string): readonly StoredTensor[] {
  if (count === 1) return [stored];
  const [first = 0, ...rest] = stored.shape;
  if (first % count !== 0) {
    throw new InputError(
      `${where} has the shape [${stored.shape}], whose rows cannot be cut into ${count} equal parts.`,
    );
  }
  const length = stored.length / count;
  return Array.from({ length: count }, (_, i) => ({
    ...stored,
    shape: [first / count, ...rest],
    offset: stored.offset + i * length,
    length,
  }));
}

function asMatrix(stored: StoredTensor): StoredTensor {
  const [out, input, ...kernel] = stored.shape;
  return kernel.length === 2 && kernel.every((k) => k === 1) ? { ...stored, shape: [out!, input!] } : stored;
}
