import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { caseRunner, expectCase, type GraphCase } from "../support/cases.ts";
import { openAdapter } from "./adapter.ts";
import { webgpuCases } from "./cases.ts";
import { unsupported } from "./refused.ts";
import { tolerances } from "./tolerances.ts";

const runner = caseRunner(await openAdapter());
afterAll(() => runner.close());

const cases = await webgpuCases();

test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
  expectCase(await runner.run(c), c, tolerances[c.kind]);
});

test("the U-Nets have no node on the CPU", async () => {
  const models = new Map(cases.filter((c) => c.kind === "unet").map((c) => [c.model, c]));
  const smallest = [...models.values()]
    .filter((c) => "sample" in c.feeds)
    .sort((a, b) => a.feeds["sample"]!.data.length - b.feeds["sample"]!.data.length)[0]!;
  const nodes = await countNodes(smallest);
  expect(nodes.get("WebGpuExecutionProvider")).toBeGreaterThan(100);
  expect(nodes.get("CPUExecutionProvider") ?? 0).toBe(0);
});

test("strict refuses what would end up on the CPU", async () => {
  const make = (strict: boolean) => createNodeRuntime({ device: "webgpu", strict }).createSession(unsupported());
  await (await make(false)).release();
  await expect(make(true)).rejects.toThrow(/fallback to CPU EP/);
});

/**
 * The nodes that ran, by the provider that ran them, from the runtime's own profile. That the other graphs have none on
 * the CPU is seen to by the runtime, which is told to fail rather than fall back.
 */
async function countNodes({ model, feeds }: GraphCase): Promise<Map<string, number>> {
  const ort = createRequire(import.meta.url)("onnxruntime-node") as typeof import("onnxruntime-node");
  const folder = mkdtempSync(join(tmpdir(), "inkling-profile-"));
  try {
    const session = await ort.InferenceSession.create(model.bytes, {
      executionProviders: ["webgpu"],
      enableProfiling: true,
      profileFilePrefix: join(folder, "run"),
      logSeverityLevel: 3,
      extra: { session: { model_external_initializers_file_folder_path: model.folder } },
    });
    const given = Object.entries(feeds).map(
      ([name, t]) => [name, new ort.Tensor(t.dtype as "float32", t.data as Float32Array, [...t.shape])] as const,
    );
    await session.run(Object.fromEntries(given));
    session.endProfiling();
    await session.release();
    const events = JSON.parse(readFileSync(join(folder, readdirSync(folder)[0]!), "utf8")) as {
      cat: string;
      name: string;
      args?: { provider?: string };
    }[];
    const ran = new Map<string, Set<string>>();
    for (const { cat, name, args } of events) {
      if (cat !== "Node" || !args?.provider) continue;
      ran.set(args.provider, (ran.get(args.provider) ?? new Set()).add(name));
    }
    return new Map([...ran].map(([provider, names]) => [provider, names.size]));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
