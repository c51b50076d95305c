import { preparedWeights } from "../pipelines/machine.ts";
import { clearPrepared, listPrepared, PREPARED_LIMIT, type PreparedEntry } from "../runtime/index.ts";
import { type Cli, write } from "./cli.ts";
import { type ConfigOptions, findConfig } from "./config.ts";
import { jsonLine } from "./json.ts";
import { preparedOf } from "./machine.ts";
import type { PreparedFlags } from "./options.ts";

/** Where weights are kept prepared, and what is there. */
export interface PreparedReport {
  readonly folder: string;
  /** Bytes that it may take, and takes. */
  readonly limit: number;
  readonly bytes: number;
  /** How many are kept; the same network for another picture size is another one. */
  readonly networks: number;
}

/** Undefined where none are kept. */
export async function preparedReport(
  options: PreparedFlags & ConfigOptions,
  cli: Pick<Cli, "env">,
): Promise<PreparedReport | undefined> {
  const { config } = await findConfig(options, cli);
  const kept = preparedWeights(preparedOf(options, config.defaults), cli.env);
  if (!kept) return undefined;
  const { folder, limit = PREPARED_LIMIT } = kept;
  return { folder, limit, ...told(listPrepared(folder)) };
}

export function preparedLine(report: PreparedReport | undefined): string {
  if (!report) return "not kept";
  const { folder, limit, bytes, networks } = report;
  return `${count(networks)}, ${gib(bytes)} of at most ${gib(limit)}, in ${folder}`;
}

/** Empties the folder, and says what was in it. */
export async function clearPreparedWeights(
  { json, ...options }: PreparedFlags & ConfigOptions & { readonly json?: boolean },
  cli: Cli,
): Promise<void> {
  const report = await preparedReport(options, cli);
  const removed = told(report ? clearPrepared(report.folder) : []);
  if (json) return write(cli.stdout, jsonLine({ folder: report?.folder, ...removed }));
  const where = report ? ` from ${report.folder}` : "";
  await write(cli.stdout, `removed ${count(removed.networks)}, ${gib(removed.bytes)}${where}\n`);
}

function told(entries: readonly PreparedEntry[]): Pick<PreparedReport, "bytes" | "networks"> {
  return { bytes: entries.reduce((sum, { bytes }) => sum + bytes, 0), networks: entries.length };
}

const count = (networks: number): string => (networks === 1 ? "1 network" : `${networks} networks`);

const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
