import { readdir } from "node:fs/promises";
import { add, Graph, lower, lowerings, toOnnx } from "../graph/index.ts";
import { float32, InputError } from "../tensor/index.ts";
import { createProcessRuntime } from "./process.ts";
import { type Device, devices, type Runtime, type RuntimeOptions } from "./runtime.ts";

export interface DeviceReport {
  readonly device: Device;
  readonly works: boolean;
  /** Why it does not, or what it is. */
  readonly reason: string;
}

/** Tries every device with a sum of two numbers, each in a process of its own. */
export async function describeRuntime(): Promise<DeviceReport[]> {
  return Promise.all(devices.map(tryDevice));
}

/**
 * The device to draw with. "auto" takes the first that works of cuda and webgpu where the machine shows a graphics
 * card at all, else cpu, and says why.
 */
export async function chooseDevice(wanted: Device | "auto"): Promise<DeviceReport> {
  if (wanted !== "auto") return { device: wanted, works: true, reason: "as asked" };
  if (!(await hasGraphicsCard())) return { device: "cpu", works: true, reason: "no graphics card found" };
  const reasons: string[] = [];
  for (const device of ["cuda", "webgpu"] as const) {
    const report = await tryDevice(device);
    if (report.works) return report;
    reasons.push(`${device}: ${report.reason}`);
  }
  return { device: "cpu", works: true, reason: reasons.join("; ") };
}

export interface StartedRuntime {
  readonly runtime: Runtime;
  /** Why this device. */
  readonly choice: DeviceReport;
}

/** A runtime on the device to draw with (see `chooseDevice`); its process is on its way when the promise is kept. */
export async function startRuntime(
  wanted: Device | "auto" = "auto",
  options: Omit<RuntimeOptions, "device"> = {},
): Promise<StartedRuntime> {
  const choice = await chooseDevice(wanted);
  return { choice, runtime: createProcessRuntime({ ...options, device: choice.device }) };
}

/** Why a session on `device` failed: the error itself, unless the device cannot even add two numbers. */
export async function explainFailure(error: unknown, device: Device): Promise<unknown> {
  if (device === "cpu" || error instanceof InputError) return error;
  const { works, reason } = await tryDevice(device);
  if (works) return error;
  return new InputError(`The device ${device} does not work here: ${reason}. Take "cpu", or "auto" for what works.`, {
    cause: error,
  });
}

/** Looking is 1 ms; asking a WebGPU implementation for an adapter that is not there is 100 times that. */
async function hasGraphicsCard(): Promise<boolean> {
  if (process.platform !== "linux") return true;
  const nodes = [...(await readdir("/dev/dri").catch(() => [])), ...(await readdir("/dev").catch(() => []))];
  return nodes.some((name) => /^(renderD|nvidia)\d+$/.test(name));
}

async function tryDevice(device: Device): Promise<DeviceReport> {
  const runtime = createProcessRuntime({ device, threads: 1, strict: device !== "cpu" });
  try {
    const g = new Graph("one_and_one");
    g.output("sum", add(g.input("x", "float32", [1]), 1));
    const session = await runtime.createSession(toOnnx(lower(g, lowerings[device]), () => float32([], [0])));
    const { sum } = await session.run({ x: float32([1], [1]) });
    const works = sum?.data[0] === 2;
    if (!works) return { device, works, reason: `1 + 1 came to ${sum?.data[0]}` };
    const half = device === "webgpu" && (await runtime.abilities?.float16());
    return { device, works, reason: half ? "has 16-bit floats" : "works" };
  } catch (error) {
    return { device, works: false, reason: reasonOf(error) };
  } finally {
    await runtime.close();
  }
}

/** What is left of ONNX Runtime's message without the source file, the function and the check that failed. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, said] = /\bwas false\.\s*(.+)/s.exec(message) ?? [];
  return (said ?? message).trim().split("\n")[0]!.slice(0, 200);
}
