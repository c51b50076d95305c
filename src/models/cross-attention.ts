/**
 * Where a U-Net looks while it is told of words (Rombach et al. 2022, § 3.3; Tang et al. 2022, "What the DAAM").
 * B batch, H × W places of a layer, T places as a sequence, S words.
 */
import { attentionProbabilities, type Graph, reduceMean, reshape, type Value } from "../graph/index.ts";

/**
 * Makes the probabilities of every cross-attention outputs of a U-Net's graph, each under the attention's path in the
 * checkpoint ("mid_block.attentions.0.transformer_blocks.0.attn2"): how much each place looks at each word, the mean over heads, as
 * [B, H, W, S], which adds up to 1 over the words. They are computed beside the attention and change nothing of it: kernels
 * that compute attention in one piece never hold them as a whole.
 */
export function tapCrossAttentions(graph: Graph): void {
  for (const { op, scope, inputs, attributes } of [...graph.nodes]) {
    if (op !== "Attention" || !scope.endsWith(".attn2")) continue;
    const [query, key] = inputs as [Value, Value];
    const { heads } = attributes as { heads: number };
    const transformer = scope.slice(0, scope.lastIndexOf(".transformer_blocks."));
    const [batch, , rows, columns] = graph.scopes.get(transformer)!.shape;
    const map = graph.scope(`${scope}.map`, () => {
      const mean = reduceMean(attentionProbabilities(query, key, heads), [1], { keep: false });
      return reshape(mean, [batch!, rows!, columns!, key.shape[1]!]);
    });
    graph.output(scope, map);
  }
}
