/** Token merging as nodes of a graph, against the same written out in plain numbers, and in pictures. */
import { afterAll, describe, expect, it } from "vitest";
import { Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import { tokenMerging } from "../../src/models/token-merging.ts";
import { open } from "../../src/pipelines/inkling.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { textToImage } from "../../src/pipelines/text-to-image.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { createGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectClose } from "../support/compare.ts";

const runtime = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => runtime.close());

const CHANNELS = 6;
const noWeights = (name: string): never => {
  throw new Error(`Merging has no weight ${name}.`);
};
interface Picture {
  readonly height: number;
  readonly width: number;
  readonly share: number;
}

async function merged(picture: Picture, x: Tensor<"float32">): Promise<Record<"few" | "all", Tensor<"float32">>> {
  const g = new Graph("merging");
  const tokens = picture.height * picture.width;
  const input = g.input("x", "float32", ["batch", tokens, CHANNELS]);
  const { merge, unmerge } = tokenMerging(input, picture);
  const few = merge(input);
  g.output("few", few);
  g.output("all", unmerge(few));
  const session = await runtime.createSession(toOnnx(lower(g, lowerings.cpu), noWeights));
  return (await session.run({ x })) as Record<"few" | "all", Tensor<"float32">>;
}

/** Groups of tokens that share a value, by what came out: each token with those whose value is its own. */
function groupsOf(rows: readonly (readonly number[])[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const [token, row] of rows.entries()) groups.set(row.join(), [...(groups.get(row.join()) ?? []), token]);
  return [...groups.values()];
}

const rowsOf = ({ data, shape }: Tensor<"float32">, picture: number): number[][] => {
  const [, tokens, channels] = shape as [number, number, number];
  return Array.from({ length: tokens }, (_, token) => {
    const start = (picture * tokens + token) * channels;
    return Array.from(data.subarray(start, start + channels));
  });
};

const cosine = (a: readonly number[], b: readonly number[]): number => {
  const dot = (p: readonly number[], q: readonly number[]) => p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
};

describe("merging tokens", () => {
  it.each<Picture & { readonly moved: number }>([
    { height: 8, width: 8, share: 0.5, moved: 32 },
    { height: 4, width: 6, share: 0.25, moved: 6 },
    { height: 4, width: 4, share: 0.75, moved: 12 },
    { height: 5, width: 3, share: 0.5, moved: 7 },
  ])(
    "$height × $width, $share: the likest are averaged, and each gets its average back",
    async ({ moved, ...picture }) => {
      const tokens = picture.height * picture.width;
      const x = float32([2, tokens, CHANNELS], createGenerator("cpu", 5).randn([2, tokens, CHANNELS]));
      const { few, all } = await merged(picture, x);
      expect(few.shape).toEqual([2, tokens - moved, CHANNELS]);
      expect(all.shape).toEqual(x.shape);
      for (const at of [0, 1]) {
        const [before, after] = [rowsOf(x, at), rowsOf(all, at)];
        const groups = groupsOf(after);
        expect(groups.length).toBe(tokens - moved);
        for (const group of groups) {
          const mean = before[0]!.map(
            (_, c) => group.reduce((sum, token) => sum + before[token]![c]!, 0) / group.length,
          );
          expectClose(Float32Array.from(after[group[0]!]!), Float32Array.from(mean), 1e-6);
        }
        checkLikest(before, groups, picture, moved);
      }
    },
  );

  /** Whoever was moved went to the likest of all that stay for others, and no one of those left alone was liker to any. */
  function checkLikest(rows: number[][], groups: number[][], { height, width }: Picture, moved: number): void {
    const into = destinationsOf(height, width);
    expect(into.length).toBe(Math.floor(height / 2) * Math.floor(width / 2));
    const best = rows.map((row, token) =>
      into.includes(token) ? undefined : into.reduce((a, b) => (cosine(rows[b]!, row) > cosine(rows[a]!, row) ? b : a)),
    );
    const likeness = (token: number) => cosine(rows[token]!, rows[best[token]!]!);
    const others = rows.map((_, token) => token).filter((token) => best[token] !== undefined);
    const wanted = others.toSorted((a, b) => likeness(b) - likeness(a)).slice(0, moved);
    for (const token of others) {
      const group = groups.find((each) => each.includes(token))!;
      if (wanted.includes(token)) expect(group).toContain(best[token]);
      else expect(group).toEqual([token]);
    }
  }

  /** The one of each cell that the rule names; computed here anew. */
  function destinationsOf(height: number, width: number): number[] {
    const columns = Math.floor(width / 2);
    return Array.from({ length: Math.floor(height / 2) * columns }, (_, cell) => {
      const corner = Math.floor(((((cell + 1) * 0x9e3779b1) % 2 ** 32) / 2 ** 32) * 4);
      const [row, column] = [2 * Math.floor(cell / columns), 2 * (cell % columns)];
      return (row + Math.floor(corner / 2)) * width + column + (corner % 2);
    });
  }

  it("of a picture too small to merge anything changes nothing", async () => {
    const x = float32([1, 3, CHANNELS], createGenerator("cpu", 5).randn([1, 3, CHANNELS]));
    const { few, all } = await merged({ height: 1, width: 3, share: 0.75 }, x);
    expect([few.data, all.data]).toEqual([x.data, x.data]);
  });
});

describe("a picture with merged tokens", () => {
  it("differs with the share; a share of 0 is the picture without, bit for bit", async () => {
    const model = await open(plainCheckpoint.folder, { device: "cpu", threads: 1 });
    const draw = async (settings: Partial<GenerateSettings>): Promise<Float32Array> => {
      const asked = { prompt: "a cat", seed: 7, width: 64, height: 64, steps: 3, sampler: "Euler", ...settings };
      const resolved = model.resolve(asked);
      for await (const event of textToImage(resolved, { ...model, ...model.facts })) {
        if (event.type === "image") return event.pixels.data.slice();
      }
      throw new Error("No picture was drawn.");
    };
    const exact = await draw({});
    expect(await draw({ tokenMerging: 0 })).toEqual(exact);
    const [quarter, half] = [await draw({ tokenMerging: 0.25 }), await draw({ tokenMerging: 0.5 })];
    expect(quarter).not.toEqual(exact);
    expect(half).not.toEqual(quarter);
    expect(await draw({ tokenMerging: 0.5, deepCache: 2 })).not.toEqual(half);
    expect(await draw({})).toEqual(exact);
    expect(() => model.resolve({ prompt: "", tokenMerging: 0.8 })).toThrow(/tokenMerging is 0.8.* from 0 to 0.75/);
    await model.runtime.close();
  });
});
