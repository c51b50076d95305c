import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { resolveModel } from "../hub/index.ts";
import { packageVersion, version } from "../pipelines/version.ts";
import { InputError } from "../tensor/index.ts";
import { type Cli, write } from "./cli.ts";
import type { ConfigOptions } from "./config.ts";
import { jsonLine } from "./json.ts";
import type { PreparedFlags } from "./options.ts";
import { preparedLine, preparedReport } from "./prepared.ts";
import { table } from "./table.ts";

export interface DoctorOptions extends PreparedFlags, ConfigOptions {
  readonly model?: string;
  readonly json?: boolean;
}

/**
 * Tells what this machine can do. A device that does not work is no failure, as long as one does.
 *
 * @throws InputError where no device works or the model is not here, after everything was told
 */
export async function doctor({ model, json, ...options }: DoctorOptions, cli: Cli): Promise<void> {
  const prepared = await preparedReport(options, cli);
  const devices = await cli.engine.describeRuntime();
  let fault: InputError | undefined;
  const found = await resolveModel(model, cli.env).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    fault = error;
    return undefined;
  });
  const threads = availableParallelism();
  const report = {
    inkling: version(),
    node: process.versions.node,
    onnxruntime: packageVersion("onnxruntime-node"),
    sharp: packageVersion("sharp"),
    system: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? "unknown",
    threads,
    memory: { total: totalmem(), free: freemem() },
    devices,
    prepared,
    model: found ?? { name: model, problem: fault?.message },
  };
  if (json) await write(cli.stdout, jsonLine(report));
  else {
    const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
    const rows = [
      ["inkling", report.inkling],
      ["Node", report.node],
      ["ONNX Runtime", report.onnxruntime],
      ["sharp", report.sharp],
      ["system", `${report.system}, ${report.cpu}`],
      ["threads", String(threads)],
      ["memory", `${gib(report.memory.free)} of ${gib(report.memory.total)} free`],
      ...devices.map(({ device, works, reason }) => [device, works ? `works: ${reason}` : `does not work: ${reason}`]),
      ["prepared", preparedLine(prepared)],
      ["model", found ? `${found.name} (${found.path})` : "not found"],
    ];
    await write(cli.stdout, table(rows.map(([key, value]) => [key!, value!.replace(/^works: works$/, "works")])));
  }
  if (fault) throw fault;
  if (!devices.some(({ works }) => works)) throw new InputError("No device works, so nothing can be drawn here.");
}
