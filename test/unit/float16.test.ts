/** Graphs in 16-bit floats, as they are lowered for WebGPU, every result rounded as a device would round it. */
import { afterAll, describe, expect, test, vi } from "vitest";
import { Graph, inFloat16, lowerFor } from "../../src/graph/index.ts";
import { attentionLayer } from "../../src/models/blocks.ts";
import { load, open } from "../../src/pipelines/inkling.ts";
import { createNodeRuntime, type Runtime } from "../../src/runtime/index.ts";
import { float32 } from "../../src/tensor/index.ts";
import { type CaseKind, caseRunner, expectCase, type GraphCase, type Tolerance } from "../support/cases.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";
import { expectClose } from "../support/compare.ts";
import { onFloat16Device } from "../support/float16.ts";
import { moduleCases } from "../support/modules.ts";
import { distinctCheckpoints, stagesOf } from "../support/stages.ts";

// Whatever is lowered for WebGPU below is computed as such a device would.
vi.mock("../../src/graph/lowerings/index.ts", async (original) => {
  const real = await original<typeof import("../../src/graph/lowerings/index.ts")>();
  const lowerFor: typeof real.lowerFor = (device, graph, options) => {
    const lowered = real.lowerFor(device, graph, options);
    return device === "webgpu" ? onFloat16Device(lowered) : lowered;
  };
  return { ...real, lowerFor };
});

// The CPU has no such kernels.
vi.mock("../../src/graph/lowerings/webgpu-kernels.ts", () => ({ asKernels: (graph: Graph) => graph }));

const cpu = createNodeRuntime({ device: "cpu", threads: 2 });
const runner = caseRunner(cpu);
afterAll(() => runner.close());

const attends = () => true;
const lowered = (graph: Graph) => lowerFor("webgpu", inFloat16(graph, { attends }), { attends });

/**
 * Each result is rounded by 2⁻¹¹ of itself at most; d of them one after another add up to about √d of these, of which three
 * times as much is allowed. The longest way through a graph has 38 (modules), 84, 1295 and 301 operations.
 */
const allowed = (operations: number): number => 3 * Math.sqrt(operations) * 2 ** -11;
const tolerances: Partial<Record<CaseKind, Tolerance & { readonly measured: number }>> = {
  module: { limit: allowed(38), per: "max", measured: 3.2e-3 },
  // Computed in float32, as timesteps need it.
  timesteps: { limit: 2e-6, per: "one", measured: 4.8e-7 },
  text: { limit: allowed(84), per: "std", measured: 6e-3 },
  unet: { limit: allowed(1295), per: "std", measured: 2.2e-2 },
  vae: { limit: allowed(301), per: "std", measured: 2.3e-2 },
};

const cases: GraphCase[] = moduleCases(lowered);
for (const checkpoint of distinctCheckpoints()) {
  const { cases: stages } = await stagesOf(checkpoint, { lowered });
  // For time alone: whole networks, of which each is looked at once or twice.
  cases.push(...stages.filter(({ name }) => !/block|mixed|odd|inside/.test(name)));
}

test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
  expectCase(await runner.run(c), c, tolerances[c.kind]!);
});

test("attention is computed in 32 bits where the model says that its scores are too large for 16, and where no kernel is right", () => {
  const typeOf = (upcast: boolean, right: boolean) => {
    const graph = new Graph("attention");
    graph.output("y", attentionLayer(graph.input("x", "float32", [1, 4, 8]), undefined, { heads: 1, upcast }));
    const { nodes } = inFloat16(graph, { attends: () => right });
    return nodes.find(({ op }) => op === "Attention")!.inputs.map((value) => value!.dtype);
  };
  const all = (dtype: string) => [dtype, dtype, dtype];
  expect(typeOf(false, true)).toEqual(all("float16"));
  expect(typeOf(true, true)).toEqual(all("float32"));
  expect(typeOf(false, false)).toEqual(all("float32"));
});

describe("a picture", () => {
  const settings = { prompt: "a lighthouse", width: 64, height: 64, steps: 8, guidance: 5, seed: 3 } as const;
  const device = (float16: boolean): Runtime => ({
    ...cpu,
    device: "webgpu",
    abilities: { float16: async () => float16, attention: async () => true },
    close: async () => {},
  });
  const on = (runtime: Runtime, precision?: "float32" | "float16") => ({
    starting: Promise.resolve({ runtime, choice: { device: "webgpu", works: true, reason: "as asked" } as const }),
    ...(precision && { precision }),
  });
  const draw = async (...options: Parameters<typeof on>) => {
    const { images } = await (await load(plainCheckpoint.folder, on(...options))).generate(settings);
    return images[0]!.data;
  };

  test("in 16 bits is very nearly that in 32, and the choice of a device that has them", async () => {
    const exact = await draw(device(true), "float32");
    const half = await draw(device(true));
    expect(psnr(half, exact)).toBeGreaterThan(40);
    expect(half).not.toEqual(exact);
    expect(await draw(device(true), "float16")).toEqual(half);
    expect(await draw(device(false))).toEqual(exact);
  });

  test("with parts of the U-Net reused and places merged", async () => {
    const more = { ...settings, deepCache: 2, tokenMerging: 0.5 };
    const drawn = async (precision: "float32" | "float16") => {
      const { images } = await (await load(plainCheckpoint.folder, on(device(true), precision))).generate(more);
      return images[0]!.data;
    };
    expect(psnr(await drawn("float16"), await drawn("float32"))).toBeGreaterThan(30);
  });

  test("is not drawn in 16 bits where there are none, nor in what there is not", async () => {
    await expect(draw(device(false), "float16")).rejects.toThrow(/WebGPU adapter.* no 16-bit floats.*take float32/);
    await expect(draw({ ...cpu, close: async () => {} }, "float16")).rejects.toThrow(
      /Only webgpu computes in 16-bit floats, not cpu/,
    );
    await expect(draw(device(true), "int4" as "float16")).rejects.toThrow(
      /precision is auto, float32, float16, not "int4"/,
    );
  });

  test("that runs over in the VAE is decoded in 32 bits, as are those after it", async () => {
    const notes: string[] = [];
    const opened = async (precision: "float32" | "float16") =>
      (await open(plainCheckpoint.folder, { ...on(device(true), precision), onNote: (line) => notes.push(line) }))
        .networks;
    const [half, exact] = [await opened("float16"), await opened("float32")];
    const far = float32(
      [1, 4, 8, 8],
      Array.from({ length: 256 }, (_, i) => 1e5 * Math.sin(i)),
    );
    for (let i = 0; i < 2; i++) expectClose(await half.decode(far), await exact.decode(far), 0);
    expect(notes).toEqual([expect.stringMatching(/too large for 16-bit floats/)]);
  });
});

/** Of 8-bit pixels, in decibels. */
function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const squares = Array.from(a, (value, i) => (value - b[i]!) ** 2);
  return 10 * Math.log10(255 ** 2 / (squares.reduce((sum, square) => sum + square, 0) / squares.length));
}
