import type { Command } from "commander";
import { type Cli, write } from "../cli.ts";
import { jsonLine } from "../json.ts";
import { table } from "../table.ts";

/** `inkling samplers`: the names that --sampler and --schedule take. */
export function samplers(command: Command, cli: Cli): void {
  command
    .summary("list samplers and noise schedules")
    .description("Lists the samplers and noise schedules that can be named.")
    .option("--json", "as JSON")
    .action(async ({ json }: { json?: boolean }) => {
      const { samplers, schedules } = await import("../../diffusion/registry.ts");
      if (json) return write(cli.stdout, jsonLine({ samplers: samplers.map(known), schedules: schedules.map(plain) }));
      const list = (entries: readonly { name: string; description: string }[]): string =>
        table(entries.map(({ name, description }) => [`  ${name}`, description]));
      const family = (wanted: string): string => list(samplers.filter((sampler) => sampler.family === wanted));
      await write(
        cli.stdout,
        `Samplers of A1111's web UI (--sampler), with k-diffusion's numbers:\n${family("a1111")}\n` +
          `Samplers of diffusers, with its numbers:\n${family("diffusers")}\n` +
          `Noise schedules (--schedule):\n${list(schedules)}\n` +
          "Case, spaces, - and _ do not matter. `inkling samplers --json` tells which schedules each sampler walks.\n",
      );
    });
}

function plain({ name, aliases, description }: { name: string; aliases: readonly string[]; description: string }) {
  return { name, aliases, description };
}

type Sampler = typeof import("../../diffusion/registry.ts")["samplers"][number];

/** What is told about a sampler; not how it is run. */
function known(sampler: Sampler) {
  const { family, stochastic, callsPerStep, takesEta, schedules } = sampler;
  return { ...plain(sampler), family, stochastic, callsPerStep, takesEta, schedules };
}
