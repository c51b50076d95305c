import { type Command, Option } from "commander";
import type { WeightForm } from "../pipelines/limits.ts";
import type { ConfigOptions } from "./config.ts";
import {
  addConfigOptions,
  addConvolutionOptions,
  addMachineOptions,
  addPrecisionOption,
  type ConvolutionFlags,
  integer,
  type MachineFlags,
  MODEL,
  number,
  type PrecisionFlags,
  weightsOption,
} from "./options.ts";

/** Options of the commands that draw for others. */
export interface DrawingForOthers extends ConfigOptions, MachineFlags, ConvolutionFlags, PrecisionFlags {
  readonly queue?: string;
  readonly model?: readonly string[];
  readonly keepModels?: number;
  readonly weights?: WeightForm;
  readonly loraFolder?: string;
  readonly grace?: number;
  readonly logLevel?: string;
}

/** Options of the commands that start the server. */
export interface ServingOptions extends DrawingForOthers {
  readonly host?: string;
  readonly port?: number;
  readonly data?: string;
  readonly pictures?: string;
  readonly s3Endpoint?: string;
  readonly apiKeyFile?: string;
  readonly newKey?: string;
  /** `--without-keys` */
  readonly withoutKeys?: boolean;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly rateLimit?: number;
  readonly keepJobs?: number;
  readonly queueLimit?: number;
  readonly queueLimitPerClient?: number;
  readonly logPrompts?: boolean;
}

/** The environment variable that stands for --queue: it may hold a password, which the list of processes would show. */
export const QUEUE = "INKLING_QUEUE";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

/** Gives `command` the options of {@link ServingOptions}. */
export function addServingOptions(command: Command): Command {
  command
    .optionsGroup("Server:")
    .option(
      "-p, --port <n>",
      "where to listen; 0 takes any that is free (default: 7860)",
      integer("Ports are", 0, 65535),
    )
    .option("--data <folder>", "where jobs and pictures are kept (default: inkling in the user's data folder)")
    .option("--pictures <place>", "where pictures lie: a folder, or s3://bucket/prefix (default: pictures in --data)")
    .option(
      "--s3-endpoint <url>",
      "the S3 service; keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
    )
    .option("--grace <s>", "seconds that a job may go on when the server is stopped (default: 10)", number(0, 86_400))
    .option(
      "--keep-jobs <days>",
      "days that ended jobs are kept; pictures stay (default: 30)",
      integer("It is", 1, 36500),
    )
    .option("--queue <url>", `workers draw, which take jobs from Redis there: redis://host:6379 (or ${QUEUE})`)
    .option("--queue-limit <n>", "jobs that may wait (default: 1000)", integer("It is", 1, 1_000_000))
    .option("--queue-limit-per-client <n>", "of one client (default: 200)", integer("It is", 1, 1_000_000))
    .addOption(logLevelOption())
    .option("--log-prompts", "prompts stand in the log, too")
    .optionsGroup("Opened to a network:")
    .option("--host <address>", "0.0.0.0 for all; needs keys (default: 127.0.0.1, this machine alone)")
    .option(
      "--api-key-file <path>",
      "one of its keys is asked for (default with --host: keys.txt in --data, if it is there)",
    )
    .option("--new-key <name>", "make a key, put its hash into that file, print the key, and end")
    .option("--without-keys", "with --host: whoever reaches it may draw")
    .option("--allow-host <name>", "a name that this server is reached by; again for more", several)
    .option("--allow-origin <origin>", "pages of that origin may ask; again for more", several)
    .option("--rate-limit <n>", "requests a second of one client, 0 for any (default with --host: 50)", number(0, 1e6));
  return addServedModelOptions(command);
}

/** The models that are drawn with, and on what. */
export function addServedModelOptions(command: Command): Command {
  command
    .optionsGroup(MODEL)
    .option("-m, --model <name>", "a name, folder or file; again for more (default: all that are here)", several)
    .option("--keep-models <n>", "how many stay in memory (default: 1)", integer("It is", 1, 100))
    .option("--lora-folder <folder>", "where adapters are (default: loras)")
    .addOption(weightsOption());
  return addConfigOptions(addPrecisionOption(addConvolutionOptions(addMachineOptions(command))));
}

export function logLevelOption(): Option {
  return new Option("--log-level <level>", "JSON lines on stderr").choices(LOG_LEVELS);
}

function several(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}
