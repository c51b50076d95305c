/** What every runtime owes to tensors that are kept, on whichever device. */
import { describe, expect, test } from "vitest";
import { createProcessRuntime, type Runtime } from "../../src/runtime/index.ts";
import { float32 } from "../../src/tensor/index.ts";
import { counter, reader } from "./counter.ts";

export function describeKept(runtimes: readonly (readonly [string, Runtime])[]): void {
  describe.each(runtimes)("tensors that are kept, %s", (_, runtime) => {
    const location = runtime.device === "webgpu" ? "gpu-buffer" : "cpu";

    test("what is kept is fed back, also to another session", async () => {
      const [first, second] = [await counter(runtime), await reader(runtime)];
      let { outputs, kept } = await first.runKeeping({ x: float32([2], [0, 10]) });
      expect(outputs).toEqual({});
      expect(kept["sum"]).toMatchObject({ dtype: "float32", shape: [2], location });
      for (let i = 0; i < 5; i++) {
        const before = kept["sum"]!;
        ({ kept } = await first.runKeeping({ x: before }));
        before.dispose();
      }
      const { y } = await second.run({ x: kept["sum"]! });
      kept["sum"]!.dispose();
      expect(Array.from(y!.data as Float32Array)).toEqual([6, 16]);
    });

    test("what is kept can be written where it was computed from", async () => {
      const [first, second] = [await counter(runtime), await reader(runtime)];
      let { sum } = (await first.runKeeping({ x: float32([2], [0, 10]) })).kept;
      for (let i = 0; i < 3; i++) {
        const before = sum!;
        ({ sum } = (await first.runKeeping({ x: before }, { into: { sum: before } })).kept);
        // A graphics device gives another tensor.
        expect(sum === before).toBe(location === "cpu");
        if (sum !== before) before.dispose();
      }
      const { y } = await second.run({ x: sum! });
      sum!.dispose();
      expect(Array.from(y!.data as Float32Array)).toEqual([4, 14]);
    });

    test("what was disposed of is gone", async () => {
      const session = await counter(runtime);
      const { kept } = await session.runKeeping({ x: float32([1], [0]) });
      expect(kept["sum"]!.ended).toBe(false);
      kept["sum"]!.dispose();
      expect(kept["sum"]!.ended).toBe(true);
      await expect(session.run({ x: kept["sum"]! })).rejects.toThrow(/disposed/);
    });

    test("it outlives the session that made it", async () => {
      const [session, second] = [await counter(runtime), await reader(runtime)];
      const { kept } = await session.runKeeping({ x: float32([1], [4]) });
      await session.release();
      expect(session.ended).toBe(true);
      expect(kept["sum"]!.ended).toBe(false);
      const { y } = await second.run({ x: kept["sum"]! });
      kept["sum"]!.dispose();
      expect(Array.from(y!.data as Float32Array)).toEqual([5]);
      // The session goes with it, and the runtime goes on.
      expect(await second.run({ x: float32([1], [1]) })).toMatchObject({ y: { shape: [1] } });
    });

    test("a run that is asked for numbers keeps none of it", async () => {
      expect(await (await counter(runtime)).run({ x: float32([1], [0]) })).toEqual({});
    });

    test("a stranger's tensor is refused by name", async () => {
      const other = createProcessRuntime({ device: "cpu", threads: 1 });
      const { kept } = await (await counter(other)).runKeeping({ x: float32([1], [0]) });
      const session = await counter(runtime);
      await expect(session.run({ x: kept["sum"]! })).rejects.toThrow(/"x" was kept by/);
      await other.close();
      expect(kept["sum"]!.ended).toBe(true);
    });
  });
}
