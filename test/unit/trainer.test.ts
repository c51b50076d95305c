import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { add, Graph, matmul, mul, reduceMean, sub, tanh } from "../../src/graph/index.ts";
import type { Runtime, Session } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type Tensor } from "../../src/tensor/index.ts";
import { createTrainer, type Trainer } from "../../src/training/index.ts";

let runtime: Runtime;
beforeAll(() => {
  runtime = createNodeRuntime({ device: "cpu", threads: 2 });
});
afterAll(() => runtime.close());

const [INPUTS, HIDDEN] = [5, 7];

/** "x" [B, 5] and "y" [B, 1] → the mean square error of a little network. */
function loss(batch: number): Graph {
  const g = new Graph("regression");
  const x = g.input("x", "float32", [batch, INPUTS]);
  const y = g.input("y", "float32", [batch, 1]);
  const hidden = tanh(add(matmul(x, g.parameter("a", [INPUTS, HIDDEN])), g.parameter("b", [HIDDEN])));
  const error = sub(matmul(hidden, g.parameter("c", [HIDDEN, 1])), y);
  g.output("loss", reduceMean(mul(error, error), [0, 1], { keep: false }));
  return g;
}

const shapes = { a: [INPUTS, HIDDEN], b: [HIDDEN], c: [HIDDEN, 1] };
const begin = Object.fromEntries(
  Object.entries(shapes).map(([name, shape]) => [name, new CpuGenerator(name.charCodeAt(0)).randn(shape)]),
);
const initial = (name: string): Float32Array => begin[name]!;

function batch(count: number, random: CpuGenerator): Record<"x" | "y", Tensor<"float32">> {
  return {
    x: float32([count, INPUTS], random.randn([count, INPUTS])),
    y: float32([count, 1], random.randn([count, 1])),
  };
}

/** Rows `from` to `to` of each tensor. */
function rows(all: Readonly<Record<string, Tensor<"float32">>>, from: number, to: number): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(all).map(([name, { shape, data }]) => {
      const width = shape[1]!;
      return [name, float32([to - from, width], data.slice(from * width, to * width))];
    }),
  );
}

async function weightsOf(trainer: Trainer): Promise<number[]> {
  return [...(await trainer.read("weights")).values()].flatMap((values) => [...values]);
}

const far = (a: readonly number[], b: readonly number[]): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe("a trainer", () => {
  it("learns from several batches as from all of them joined", async () => {
    const random = new CpuGenerator(1);
    const whole = await createTrainer(loss(6), initial, runtime);
    const parts = await createTrainer(loss(2), initial, runtime);
    for (let step = 0; step < 5; step++) {
      const all = batch(6, random);
      const a = await whole.step(all, 1e-2);
      const b = await parts.step([rows(all, 0, 2), rows(all, 2, 4), rows(all, 4, 6)], 1e-2);
      expect(Math.abs(a.loss - b.loss)).toBeLessThanOrEqual(1e-5 * a.loss);
      expect(Math.abs(a.norm - b.norm)).toBeLessThanOrEqual(1e-5 * a.norm);
      expect(a.norm).toBeGreaterThan(0);
    }
    const [a, b] = [await weightsOf(whole), await weightsOf(parts)];
    expect(far(a, b)).toBeLessThanOrEqual(1e-4);
    const moved = far(
      a,
      Object.values(begin).flatMap((values) => [...values]),
    );
    expect(moved).toBeGreaterThan(1e-2);
    expect(parts.steps).toBe(5);
    await whole.close();
    await parts.close();
  });

  it("takes no step where the gradient is not finite, and says so", async () => {
    const trainer = await createTrainer(loss(2), initial, runtime);
    const before = await weightsOf(trainer);
    const { x, y } = batch(2, new CpuGenerator(1));
    const { taken, loss: lost } = await trainer.step({ x, y: float32([2, 1], [Number.NaN, 0]) }, 1);
    expect([taken, lost, trainer.steps]).toEqual([false, Number.NaN, 0]);
    expect(await weightsOf(trainer)).toEqual(before);
    expect((await trainer.step({ x, y }, 1e-2)).taken).toBe(true);
    await trainer.close();
  });

  it("goes on where another stood, bit for bit", async () => {
    const random = new CpuGenerator(2);
    const batches = Array.from({ length: 6 }, () => batch(4, random));
    const straight = await createTrainer(loss(4), initial, runtime);
    for (const each of batches) await straight.step(each, 1e-2);

    const first = await createTrainer(loss(4), initial, runtime);
    for (const each of batches.slice(0, 3)) await first.step(each, 1e-2);
    const states = new Map<string, Map<string, Float32Array>>();
    for (const state of ["weights", "first_moment", "second_moment", "ema"] as const) {
      states.set(state, await first.read(state));
    }
    const start = { steps: first.steps, values: (state: string, name: string) => states.get(state)!.get(name)! };
    const second = await createTrainer(loss(4), initial, runtime, { start });
    for (const each of batches.slice(3)) await second.step(each, 1e-2);
    expect(second.steps).toBe(6);
    for (const state of ["weights", "first_moment", "second_moment", "ema"] as const) {
      expect(await second.read(state), state).toEqual(await straight.read(state));
    }
    for (const trainer of [straight, first, second]) await trainer.close();
  });

  it("with products in float16 and a scaled loss takes the same steps, clipped and added up alike", async () => {
    // The CPU computes what is narrowed in 32 bits all the same: what is left is scaling, and taking it away again.
    const random = new CpuGenerator(3);
    const exact = await createTrainer(loss(4), initial, runtime);
    const mixed = await createTrainer(loss(4), initial, runtime, { precision: "float16" });
    for (let step = 0; step < 5; step++) {
      const both = [batch(4, random), batch(4, random)];
      const [a, b] = [await exact.step(both, 1e-2), await mixed.step(both, 1e-2)];
      expect(Math.abs(a.loss - b.loss)).toBeLessThanOrEqual(1e-3 * a.loss);
      expect(Math.abs(a.norm - b.norm)).toBeLessThanOrEqual(1e-3 * a.norm);
    }
    expect(far(await weightsOf(exact), await weightsOf(mixed))).toBeLessThanOrEqual(1e-3);
    expect([exact.lossScale, mixed.lossScale]).toEqual([undefined, { factor: 65_536, steps: 5 }]);
    await exact.close();
    await mixed.close();
  });

  it("halves the scale where gradients run over, and blames no scale for a loss that is not finite", async () => {
    const ranOver = withSquare((run) => (run < 3 ? Number.POSITIVE_INFINITY : undefined));
    const trainer = await createTrainer(loss(2), initial, ranOver, { precision: "float16" });
    const before = await weightsOf(trainer);
    const { x, y } = batch(2, new CpuGenerator(1));
    for (const rescaled of [32_768, 16_384, 8192]) {
      expect(await trainer.step({ x, y }, 1e-2)).toMatchObject({ taken: false, rescaled });
    }
    expect([await weightsOf(trainer), trainer.steps]).toEqual([before, 0]);
    expect(await trainer.step({ x, y }, 1e-2)).toMatchObject({ taken: true });
    const broken = await trainer.step({ x, y: float32([2, 1], [Number.NaN, 0]) }, 1e-2);
    expect(broken).toMatchObject({ taken: false });
    expect(broken.rescaled).toBeUndefined();
    expect(trainer.lossScale).toEqual({ factor: 8192, steps: 1 });
    await trainer.close();

    const always = withSquare(() => Number.POSITIVE_INFINITY);
    const lossScale = { factor: 2, steps: 0 };
    const start = { steps: 0, lossScale, values: (_: string, name: string) => initial(name) };
    const last = await createTrainer(loss(2), initial, always, { precision: "float16", start });
    expect((await last.step({ x, y }, 1e-2)).rescaled).toBe(1);
    expect((await last.step({ x, y }, 1e-2)).rescaled).toBeUndefined();
    await last.close();
  });
});

/** A runtime whose n-th step, counted from 0, finds this sum of the squares of all gradients. */
function withSquare(of: (run: number) => number | undefined): Runtime {
  let run = 0;
  return {
    ...runtime,
    async createSession(model, options) {
      const session = await runtime.createSession(model, options);
      if (!session.outputNames.includes("loss")) return session;
      const runKeeping: Session["runKeeping"] = async (feeds, about) => {
        const result = await session.runKeeping(feeds, about);
        const square = of(run++);
        if (square === undefined) return result;
        return { ...result, outputs: { ...result.outputs, square_norm: float32([], [square]) } };
      };
      return { ...session, runKeeping };
    },
  };
}
