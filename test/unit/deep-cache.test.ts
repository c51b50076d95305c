/** Deep features that are reused, on a tiny checkpoint: what is run how often, and what the pictures then are. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { copyInto, Graph, lower, lowerings, toOnnx, weightsOf } from "../../src/graph/index.ts";
import { unetBranches, unetConfig, unetParts, unetWithJoins } from "../../src/models/index.ts";
import { open } from "../../src/pipelines/inkling.ts";
import type { NoisePredictor } from "../../src/pipelines/noise-predictor.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { textToImage } from "../../src/pipelines/text-to-image.ts";
import { createNodeRuntime, type Runtime, type Session } from "../../src/runtime/index.ts";
import { float32, joined, type Tensor } from "../../src/tensor/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectCloseStd } from "../support/compare.ts";

/** Every run of a session: "whole", "shallow", or what else it gives. */
const runs: string[] = [];
let model: Awaited<ReturnType<typeof open>>;
let runtime: Runtime;

beforeAll(async () => {
  runtime = createNodeRuntime({ device: "cpu", threads: 1 });
  const counting: Runtime = {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      const kind = session.inputNames.includes("deep")
        ? "shallow"
        : session.inputNames.includes("timestep")
          ? "whole"
          : session.outputNames[0]!;
      const run: Session["run"] = (...args) => {
        runs.push(kind);
        return session.run(...args);
      };
      const runKeeping: Session["runKeeping"] = (...args) => {
        runs.push(kind);
        return session.runKeeping(...args);
      };
      return { ...session, ended: false, run, runKeeping };
    },
  };
  const choice = { device: "cpu", works: true, reason: "as asked" } as const;
  model = await open(plainCheckpoint.folder, {
    starting: Promise.resolve({ runtime: counting, choice }),
    // As it is computed by hand.
    convolutions: { form: "direct" },
  });
});
afterAll(() => runtime.close());

const small = { prompt: "a lady with blue eyes", negativePrompt: "blurry", seed: 7, width: 64, height: 64 };

/** The latents of every call, and the runs of the U-Net that each was made of. */
async function draw(settings: Partial<GenerateSettings>, unet?: NoisePredictor) {
  const resolved = model.resolve({ ...small, steps: 5, guidance: 5, sampler: "Euler", ...settings });
  const networks = unet ? { ...model.networks, noisePredictor: () => unet } : model.networks;
  const latents: Float32Array[] = [];
  const calls: string[] = [];
  runs.length = 0;
  for await (const event of textToImage(resolved, { ...model.facts, networks, tokenizer: model.tokenizer })) {
    if (event.type !== "step") continue;
    latents.push(event.latents.data);
    calls.push(runs.filter((kind) => ["whole", "shallow"].includes(kind)).join(" "));
    runs.length = 0;
  }
  return { latents, calls };
}

/** The same by hand: the U-Net uncut, its joins looked at in every n-th call and put into those in between. */
async function byHand(interval: number, branch: number): Promise<NoisePredictor> {
  const { unet } = model.facts.checkpoint;
  const { graph, joins } = unetWithJoins(unetConfig(unet.config), { height: 8, width: 8 });
  graph.output("below", joins[branch]!);
  const fed = new Graph("fed");
  const below = fed.input("below", "float32", joins[branch]!.shape);
  const moved = copyInto(fed, graph, {
    node: (node, [, ...others]) =>
      node.op === "Concat" && node.inputs[0] === joins[branch]
        ? fed.node("Concat", [below, ...others], node.outputs, node.attributes)
        : undefined,
  });
  fed.output("out_sample", moved.get(graph.outputs.get("out_sample")!)!);
  const session = (g: Graph) => runtime.createSession(toOnnx(lower(g, lowerings.cpu), weightsOf(unet.weights)));
  const [looking, feeding] = [await session(graph), await session(fed)];
  const kept = new Map<Tensor, Tensor<"float32">>();
  let asked = 0;
  return {
    async predict({ sample, timestep, words }) {
      const feeds = {
        sample: stacked(words.map(() => sample)),
        timestep: stacked(words.map(() => float32([1], [timestep]))),
        encoder_hidden_states: stacked(words),
      };
      const out =
        asked++ % interval === 0
          ? await looking.run(feeds)
          : await feeding.run({ ...feeds, below: stacked(words.map((one) => kept.get(one)!)) });
      if (out["below"]) for (const [i, row] of rowsOf(out["below"]).entries()) kept.set(words[i]!, row);
      return rowsOf(out["out_sample"]!).map(({ data }) => data);
    },
    dispose: () => {},
  };
}

/** n of [1, …] → [n, …] */
function stacked(rows: readonly Tensor<"float32">[]): Tensor<"float32"> {
  return float32([rows.length, ...rows[0]!.shape.slice(1)], joined(Float32Array, ...rows.map(({ data }) => data)));
}

/** [n, …] → n of [1, …] */
function rowsOf({ shape: [count, ...rest], data }: Tensor): Tensor<"float32">[] {
  const size = data.length / count!;
  return Array.from({ length: count! }, (_, i) =>
    float32([1, ...rest], (data as Float32Array).slice(i * size, (i + 1) * size)),
  );
}

describe("DeepCache", () => {
  it("every call is what is drawn without", async () => {
    const exact = await draw({});
    expect(exact.calls).toEqual(Array(5).fill("whole"));
    expect(await draw({ deepCache: 1, deepCacheBranch: 1 })).toEqual(exact);
  });

  it.each([
    [2, 0],
    [3, 0],
    [2, 3],
  ])("whole in one of %i calls, at branch %i, is what is computed by hand", async (deepCache, deepCacheBranch) => {
    const cached = await draw({ deepCache, deepCacheBranch });
    expect(cached.calls).toEqual([0, 1, 2, 3, 4].map((i) => (i % deepCache === 0 ? "whole" : "shallow")));
    const simulated = await draw({}, await byHand(deepCache, deepCacheBranch));
    for (const [i, latents] of cached.latents.entries()) expectCloseStd(latents, simulated.latents[i]!, 1e-5, `${i}`);
    expect(cached.latents[1]).not.toEqual((await draw({})).latents[1]);
  });

  it("begins in the step that is told, and runs whole before it", async () => {
    const { calls, latents } = await draw({ deepCache: 2, deepCacheFrom: 0.4 });
    expect(calls).toEqual(["whole", "whole", "whole", "shallow", "whole"]);
    const exact = await draw({});
    expect(latents.slice(0, 3)).toEqual(exact.latents.slice(0, 3));
    expect(latents[3]).not.toEqual(exact.latents[3]);
    expect((await draw({ deepCache: 2, deepCacheFrom: 1 })).calls).toEqual(Array(5).fill("whole"));
    expect((await draw({ sampler: "Heun", steps: 3, deepCache: 2, deepCacheFrom: 0.34 })).calls).toEqual([
      "whole",
      "whole",
      "whole",
      "shallow",
      "whole",
    ]);
  });

  it("counts anew after the guidance interval where that is told", async () => {
    const calls = async (settings: Partial<GenerateSettings>) =>
      (await draw({ steps: 8, guidanceInterval: [0, 0.5], deepCache: 2, ...settings })).calls
        .map((kind) => kind[0])
        .join("");
    expect(await calls({})).toBe("wswswsws");
    expect(await calls({ deepCacheLate: 3 })).toBe("wswswssw");
    expect(await calls({ deepCacheLate: 3, guidanceInterval: [0, 0.63] })).toBe("wswswwss");
    expect(await calls({ deepCacheLate: 3, guidanceInterval: [0, 1] })).toBe("wswswsws");
    expect(await calls({ deepCacheLate: 3, deepCacheFrom: 0.75 })).toBe("wwwwwwws");
    expect(await calls({ deepCacheLate: 4, count: 2 })).toBe("wswswssswswswsss");
  });

  it("counts calls, not steps, and begins every picture anew", async () => {
    const { calls } = await draw({ sampler: "Heun", steps: 2, deepCache: 2, count: 2 });
    expect(calls).toEqual(["whole", "shallow", "whole", "whole", "shallow", "whole"]);
  });

  it("runs whole when words are new in a round, and shallow for those that were told in it", async () => {
    const { calls } = await draw({ prompt: "[a lady:a house:1]", steps: 4, deepCache: 3 });
    expect(calls).toEqual(["whole", "whole", "shallow", "whole"]);
  });

  it("goes on with the deep features of more words than are asked for, without guidance as with it", async () => {
    const settings = { guidanceInterval: [0, 0.4], deepCache: 3 } as const;
    const { calls, latents } = await draw(settings);
    expect(calls).toEqual(["whole", "shallow", "shallow", "whole", "shallow"]);
    const simulated = await draw({ guidanceInterval: [0, 0.4] }, await byHand(3, 0));
    for (const [i, each] of latents.entries()) expectCloseStd(each, simulated.latents[i]!, 1e-5, `${i}`);
  });

  it("the shallow part is the smaller the lower the branch, and there are as many as skips", () => {
    const { unet } = model.facts.checkpoint;
    const config = unetConfig(unet.config);
    const sizes = Array.from({ length: unetBranches(config) }, (_, branch) => {
      const { whole, shallow } = unetParts(config, { height: 8, width: 8 }, branch);
      expect(shallow!.nodes.length).toBeLessThan(whole.nodes.length);
      return shallow!.nodes.length;
    });
    expect(sizes).toEqual(sizes.toSorted((a, b) => a - b));
    expect(unetWithJoins(config, { height: 8, width: 8 }).joins).toHaveLength(sizes.length);
  });

  it("a branch that the U-Net does not have, and one without an interval, are refused", () => {
    const resolve = (settings: Partial<GenerateSettings>) => () => model.resolve({ ...small, ...settings });
    const last = model.facts.unetBranches - 1;
    expect(resolve({ deepCache: 2, deepCacheBranch: last + 1 })).toThrow(
      `deepCacheBranch is ${last + 1}; the U-Net of ${plainCheckpoint.name} has those from 0 to ${last}.`,
    );
    expect(resolve({ deepCache: 2, deepCacheBranch: 0.5 })).toThrow(/deepCacheBranch is 0.5/);
    expect(resolve({ deepCache: 0 })).toThrow(/deepCache is 0; .* from 1 to 100/);
    expect(resolve({ deepCacheBranch: 1 })).toThrow(/deepCacheBranch is given, but no deepCache/);
    expect(resolve({ deepCacheFrom: 0.5 })).toThrow(/deepCacheFrom is given, but no deepCache/);
    expect(resolve({ deepCache: 2, deepCacheFrom: 1.5 })).toThrow(/deepCacheFrom is 1.5/);
    expect(resolve({ deepCacheLate: 3 })).toThrow(/deepCacheLate is given, but no deepCache/);
    expect(resolve({ deepCache: 2, deepCacheLate: 0 })).toThrow(/deepCacheLate is 0/);
    expect(resolve({ deepCache: 3 })()).toMatchObject({ deepCache: 3, deepCacheBranch: 0, deepCacheFrom: 0 });
    expect(resolve({ deepCache: 1 })().deepCache).toBeUndefined();
  });
});
