/**
 * A discriminator that learns along with what it judges (Esser et al. 2021, §3.1; Rombach et al. 2022, appendix G), as CompVis'
 * LPIPSWithDiscriminator has it.
 * B batch, H × W pixels.
 */
import { backward } from "../../autograd/index.ts";
import {
  add,
  clip,
  copyInto,
  detach,
  div,
  type Graph,
  mul,
  neg,
  reduceMean,
  reduceSum,
  relu,
  sqrt,
  type Value,
} from "../../graph/index.ts";
import { patchDiscriminator } from "../../models/index.ts";
import { sizeOf } from "../../tensor/index.ts";

export interface Judged {
  /** [B, 3, H, W] in −1…1. */
  readonly real: Value;
  readonly made: Value;
  /** How far what was made is from what is real, a mean over all values. */
  readonly error: Value;
  /** The weight of the layer that `made` comes out of. */
  readonly last: Value;
  /** What the discriminator's opinion counts beside the error. */
  readonly weight: number;
}

/** Where the weights of the discriminator stand. */
export const DISCRIMINATOR = "discriminator";

/** The greatest weight of an opinion, and what keeps one that has no slope from being divided by. */
const [MOST, LEAST] = [1e4, 1e-4];

/**
 * What a discriminator adds to the loss: what was made should look real to it, and it should tell the two apart, which it learns
 * by the hinge loss (Lim & Ye 2017). Each learns from its own part alone, both in the same step, where LDM has them take turns. What
 * looks real weighs as much as the error does at the last layer (Esser et al. 2021, eq. 7), `weight` times.
 */
export function adversary({ real, made, error, last, weight }: Judged): Value {
  const g = real.graph;
  const looksReal = neg(mean(judged(g, made, { learns: false })));
  const slope = (of: Value): Value => norm(backward(g, of, [last]).get(last)!);
  // LDM adds the error up over a picture, and its bounds are meant for that.
  const values = sizeOf(real.shape as number[]) / (real.shape[0] as number);
  const balance = clip(div(mul(slope(error), values), add(slope(looksReal), LEAST)), 0, MOST);
  const share = detach(mul(balance, weight / values));
  const told = add(
    mean(relu(add(neg(judged(g, real, { learns: true })), 1))),
    mean(relu(add(judged(g, detach(made), { learns: true }), 1))),
  );
  return add(mul(looksReal, share), mul(told, 0.5));
}

/** What the discriminator says of each patch of x. */
function judged(g: Graph, x: Value, { learns }: { readonly learns: boolean }): Value {
  const [batch, , height, width] = x.shape as [number, number, number, number];
  const graph = patchDiscriminator({ height, width });
  const moved = copyInto(g, graph, {
    prefix: DISCRIMINATOR,
    dims: { batch },
    input: () => x,
    parameter: (name, { shape }) => {
      const parameter = g.scope(DISCRIMINATOR, () => g.parameter(name, shape as number[]));
      return learns ? parameter : detach(parameter);
    },
  });
  return moved.get(graph.outputs.get("judgement")!)!;
}

const everything = ({ shape }: Value): number[] => shape.map((_, axis) => axis);
const mean = (x: Value): Value => reduceMean(x, everything(x), { keep: false });
const norm = (x: Value): Value => sqrt(reduceSum(mul(x, x), everything(x), { keep: false }));
