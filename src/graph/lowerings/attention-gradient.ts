import type { Value } from "../graph.ts";
import type { Lowering } from "../lower.ts";
import {
  add,
  causalMask,
  concat,
  joinHeads,
  mul,
  reduceSum,
  reshape,
  softmax,
  split,
  splitHeads,
  sub,
} from "../ops/index.ts";
import { type Dim, fixed } from "../shape.ts";
import type { Product } from "./products.ts";

/** Bytes of who looks where at once: they stay in the processor's cache. */
const PIECE = 2 ** 22;

/**
 * The gradients of q, k and v, with P = softmax(s q kᵀ), y = P v and s = 1 / √d: dv = Pᵀ g, dS = P ∘ (g vᵀ − Σ g ∘ y),
 * dq = s dS k, dk = s dSᵀ q (Dao et al. 2022, appendix B.2). Who looked where is computed again rather than kept, T · S
 * numbers a head, and where they are many for some heads at a time.
 */
export const attentionGradient =
  (product: Product): Lowering =>
  (node, operands) => {
    const { heads, causal } = node.attributes as { heads: number; causal: number };
    const [g, q, k, v, y] = operands.map((x) => splitHeads(x!, heads)) as [Value, Value, Value, Value, Value];
    const scale = 1 / Math.sqrt(fixed(q.shape, -1, "Attention"));
    const length = (x: Value) => fixed(x.shape, 2, "The gradient of causal attention");
    const mask = causal ? causalMask(q.graph, length(q), length(k)) : undefined;
    const own = reduceSum(mul(g, y), [-1]);
    const through = ([g, q, k, v, own]: readonly Value[]): Value[] => {
      const scores = product(q!, k!, { turnB: true, scale });
      const looks = softmax(mask ? add(scores, mask) : scores);
      const towards = mul(looks, sub(product(g!, v!, { turnB: true }), own!));
      return [
        product(towards, k!, { scale }),
        product(towards, q!, { turnA: true, scale }),
        product(looks, g!, { turnA: true }),
      ];
    };
    const gradients = inPieces([g, q, k, v, own], through);
    return gradients.map(joinHeads);
  };

/** Operands [B, heads, …], some heads of some pictures at a time. */
function inPieces(operands: readonly Value[], through: (operands: readonly Value[]) => Value[]): Value[] {
  const [queries, keys] = [operands[1]!.shape, operands[2]!.shape] as [Dim[], Dim[]];
  const dims = [queries[0]!, queries[1]!, queries[2]!, keys[2]!];
  if (!dims.every((dim) => typeof dim === "number")) return through(operands);
  const [batch, heads, tokens, words] = dims as [number, number, number, number];
  const together = Math.max(1, Math.floor(PIECE / (4 * tokens * words)));
  const count = Math.ceil((batch * heads) / together);
  if (count === 1) return through(operands);
  const lengths = Array.from({ length: count }, (_, i) => Math.min(together, batch * heads - i * together));
  const pieces = operands.map((x) => split(reshape(x, [batch * heads, ...x.shape.slice(2)]), lengths, 0));
  const done = lengths.map((_, i) => through(pieces.map((of) => of[i]!)));
  return [0, 1, 2].map((i) => {
    const all = concat(
      done.map((of) => of[i]!),
      0,
    );
    return reshape(all, [batch, heads, ...all.shape.slice(1)]);
  });
}
