import { type Cli, write } from "./cli.ts";
import { findConfig } from "./config.ts";
import { UsageError } from "./errors.ts";
import { convolutionsOf, machineOf } from "./machine.ts";
import { type DrawingForOthers, QUEUE } from "./serving-options.ts";

/**
 * What server and workers are started with alike.
 *
 * @throws UsageError for options that make no sense
 */
export async function servingOf(options: DrawingForOthers, cli: Cli) {
  const redis = queueOf(options, cli.env);
  const { config } = await findConfig(options, cli);
  const { defaults = {} } = config;
  const { pino } = await import("pino");
  return {
    redis,
    config,
    models: options.model ?? (defaults.model === undefined ? [] : [defaults.model]),
    keepModels: options.keepModels,
    adapterFolder: options.loraFolder,
    embeddings: Object.entries(defaults.embeddings ?? {}).map(([name, file]) => ({ name, file })),
    grace: options.grace,
    log: pino({ level: options.logLevel ?? "info", base: undefined }, cli.stderr),
    load: {
      ...(await machineOf(options, defaults)),
      convolutions: convolutionsOf(options, defaults),
      precision: options.precision ?? defaults.precision,
      weights: options.weights ?? defaults.weights,
      env: cli.env,
    },
  };
}

/** Where the queue is. What is wrong with it is said without it: it may hold a password. */
function queueOf({ queue }: DrawingForOthers, env: Cli["env"]): string | undefined {
  const address = queue ?? (env[QUEUE] || undefined);
  if (address === undefined || (/^rediss?:\/\//.test(address) && URL.canParse(address))) return address;
  throw new UsageError(
    `${queue === undefined ? QUEUE : "--queue"} is a URL such as redis://host:6379, or rediss:// with TLS`,
  );
}

/** Says where it is and runs until the signal fires, or `failed` rejects. */
export async function untilStopped(
  running: { readonly failed?: Promise<never>; close(): Promise<void> },
  where: string,
  cli: Cli,
): Promise<void> {
  try {
    await write(cli.stdout, `${where}\n`);
    await Promise.race([aborted(cli.signal), ...(running.failed ? [running.failed] : [])]);
  } finally {
    await running.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
