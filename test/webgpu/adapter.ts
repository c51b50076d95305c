import { existsSync } from "node:fs";
import { add, Graph, lower, lowerings, toOnnx } from "../../src/graph/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import type { Runtime } from "../../src/runtime/runtime.ts";
import { float32 } from "../../src/tensor/index.ts";

/** Debian's chromium brings a software adapter, which Vulkan's loader finds by this description. */
const SOFTWARE = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** Lets Vulkan's loader find the software adapter, in this process and those it starts, unless told of another one. */
export function nameAdapter(): void {
  if (!process.env["VK_ICD_FILENAMES"] && existsSync(SOFTWARE)) process.env["VK_ICD_FILENAMES"] = SOFTWARE;
}

/**
 * A WebGPU runtime that refuses to place a node on the CPU. Takes the software adapter unless VK_ICD_FILENAMES names
 * another one.
 *
 * @throws where there is no adapter: the suites fail then, they do not pass over it
 */
export async function openAdapter(): Promise<Runtime> {
  nameAdapter();
  const runtime = createNodeRuntime({ device: "webgpu", strict: true });
  const graph = new Graph("sum");
  graph.output("sum", add(graph.input("x", "float32", [1]), 1));
  try {
    const session = await runtime.createSession(
      toOnnx(lower(graph, lowerings.webgpu), () => {
        throw new Error("The graph has no weights.");
      }),
    );
    await session.run({ x: float32([1], [1]) });
    await session.release();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      "No WebGPU adapter, so nothing was tested on WebGPU. Install the software one (apt-get install chromium " +
        `libvulkan1) or name a Vulkan driver in VK_ICD_FILENAMES. The runtime said: ${reason}`,
    );
  }
  return runtime;
}
