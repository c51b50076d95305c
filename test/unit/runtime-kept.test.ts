import { afterAll, describe, expect, test } from "vitest";
import { add, Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime, createProcessRuntime, type Runtime } from "../../src/runtime/index.ts";
import { float32 } from "../../src/tensor/index.ts";

/** sum = x + 1 */
function counter() {
  const g = new Graph("counter");
  g.output("sum", add(g.input("x", "float32", ["n"]), 1));
  return toOnnx(lower(g, lowerings.cpu), () => {
    throw new Error("The graph has no weights.");
  });
}

const options = { device: "cpu", threads: 1 } as const;
const runtimes: (readonly [string, Runtime])[] = [
  ["in this process", createNodeRuntime(options)],
  ["in a process of its own", createProcessRuntime(options)],
];
afterAll(() => Promise.all(runtimes.map(([, runtime]) => runtime.close())));

describe.each(runtimes)("tensors that are kept, %s", (_, runtime) => {
  test("what is kept is fed back, also to another session", async () => {
    const [first, second] = [await runtime.createSession(counter()), await runtime.createSession(counter())];
    let { outputs, kept } = await first.runKeeping(["sum"], { x: float32([2], [0, 10]) });
    expect(outputs).toEqual({});
    expect(kept["sum"]).toMatchObject({ dtype: "float32", shape: [2] });
    for (let i = 0; i < 5; i++) {
      const before = kept["sum"]!;
      ({ kept } = await first.runKeeping(["sum"], { x: before }));
      before.dispose();
    }
    const { sum } = await second.run({ x: kept["sum"]! });
    kept["sum"]!.dispose();
    expect(Array.from(sum!.data as Float32Array)).toEqual([7, 17]);
  });

  test("what was disposed of is gone", async () => {
    const session = await runtime.createSession(counter());
    const { kept } = await session.runKeeping(["sum"], { x: float32([1], [0]) });
    expect(kept["sum"]!.ended).toBe(false);
    kept["sum"]!.dispose();
    expect(kept["sum"]!.ended).toBe(true);
    await expect(session.run({ x: kept["sum"]! })).rejects.toThrow(/disposed/);
  });

  test("a stranger's tensor is refused by name", async () => {
    const other = createProcessRuntime(options);
    const { kept } = await (await other.createSession(counter())).runKeeping(["sum"], { x: float32([1], [0]) });
    const session = await runtime.createSession(counter());
    await expect(session.run({ x: kept["sum"]! })).rejects.toThrow(/"x" was kept by/);
    await other.close();
    expect(kept["sum"]!.ended).toBe(true);
  });
});
