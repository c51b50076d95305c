import type { Command } from "commander";
import type { Cli } from "../cli.ts";
import type { PlanFlags } from "../convolution-plan.ts";
import type { DoctorOptions } from "../doctor.ts";
import { addConfigOptions, addConvolutionOptions, addPreparedOption, integer, size } from "../options.ts";

/** `inkling doctor`: what this machine can do. */
export function doctor(command: Command, cli: Cli): void {
  command
    .summary("try the devices, tell versions, threads, memory")
    .description(
      "Tries the devices and tells what would run: versions, threads, memory, prepared weights, model. " +
        "With --plan it tells how the convolutions of a model are computed on the CPU, and what that takes.",
    )
    .option("-m, --model <name>", "the model to look for (default: the one that comes with the package)");
  addConfigOptions(addPreparedOption(command)).option("--json", "as JSON").optionsGroup(PLAN);
  addConvolutionOptions(
    command
      .option("--plan [model]", "tell how each convolution of a model is computed: layers, form, time, GFLOP/s, memory")
      .option("-s, --size <WxH>", "for pictures of this size (default: the model's own)", size)
      .option("--threads <n>", "CPU threads (default: one a core)", integer("Threads are", 1, 1024))
      .option("--measure", "measure each in every form, which takes a minute or more, and keep that for this machine"),
  ).action(async (options: DoctorOptions & PlanFlags) => {
    const { plan } = options;
    if (plan !== undefined) return (await import("../convolution-plan.ts")).showPlan({ ...options, plan }, cli);
    const { UsageError } = await import("../errors.ts");
    const alone = ONLY_WITH_PLAN.find((key) => key in options);
    if (alone) throw new UsageError(`--${kebab(alone)} goes with --plan: inkling doctor --plan …`);
    return (await import("../doctor.ts")).doctor(options, cli);
  });
}

const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** Heading of the help. */
const PLAN = "Convolutions:";

const ONLY_WITH_PLAN = ["size", "threads", "measure", "convolutions", "convolutionMemory"];
