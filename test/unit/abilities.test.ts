import { afterAll, expect, test } from "vitest";
import { abilitiesOf, createNodeRuntime, type Runtime } from "../../src/runtime/index.ts";
import { float16ToFloat32, float32ToFloat16 } from "../../src/tensor/half.ts";
import { float32 } from "../../src/tensor/index.ts";

const cpu = createNodeRuntime({ device: "cpu", threads: 1 });
afterAll(() => cpu.close());

const kind = { width: 40, dtype: "float32" } as const;

/** A WebGPU device that computes as the CPU does and rounds to 16 bits, but for what it is told to spoil. */
function device(spoil: (y: Float32Array, model: string) => Float32Array = (y) => y) {
  const tried: string[] = [];
  const it: Pick<Runtime, "device" | "createSession"> = {
    device: "webgpu",
    async createSession(model) {
      tried.push(model.name);
      const session = await cpu.createSession(model);
      const run: typeof session.run = async (feeds) => {
        const y = (await session.run(feeds))["y"]!.data as Float32Array;
        if (model.name === "float16") y.set(float16ToFloat32(float32ToFloat16(y)));
        return { y: float32([y.length], spoil(y, Buffer.from(model.bytes).toString("latin1"))) };
      };
      return { ...session, run };
    },
  };
  return { it, tried };
}

test("a device that rounds to 16 bits and attends rightly can do both, and is asked once", async () => {
  const { it, tried } = device();
  const abilities = abilitiesOf(it);
  for (let i = 0; i < 2; i++) {
    expect(await abilities.float16()).toBe(true);
    expect(await abilities.attention(kind)).toBe(true);
    expect(await abilities.attention({ ...kind, dtype: "float16" })).toBe(true);
  }
  // Own and written out, of the small width and of both kinds.
  expect(tried).toEqual(["float16", ...Array<string>(6).fill("attention")]);
});

test("one whose sums stay what they are in 32 bits, or that refuses, has no 16 bits", async () => {
  expect(await abilitiesOf(device((y) => y.map(() => 2049)).it).float16()).toBe(false);
  const refusing = { device: "webgpu", createSession: () => Promise.reject(new Error("requires f16")) } as const;
  expect(await abilitiesOf(refusing).float16()).toBe(false);
  expect(await abilitiesOf(refusing).attention(kind)).toBe(false);
});

test("attention that counts a key twice is not right", async () => {
  // One of 77 keys once more: what it says weighs a 78th more.
  const twice = (y: Float32Array, model: string) =>
    model.includes("MultiHeadAttention") ? y.map((value) => (77 * value + 1) / 78) : y;
  const { it, tried } = device(twice);
  expect(await abilitiesOf(it).attention({ width: 160, dtype: "float16" })).toBe(false);
  // The small one was wrong already.
  expect(tried).toEqual(["attention", "attention"]);
});

test("on other devices nothing is tried", async () => {
  const { it, tried } = device();
  const abilities = abilitiesOf({ ...it, device: "cpu" });
  expect(await abilities.float16()).toBe(false);
  expect(await abilities.attention(kind)).toBe(false);
  expect(tried).toEqual([]);
});
