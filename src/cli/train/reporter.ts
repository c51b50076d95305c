import type { EventFile, TrainEvent, TrainStepEvent } from "../../training/index.ts";
import { type Cli, write } from "../cli.ts";
import { createCounter } from "../counter.ts";
import { jsonLine } from "../json.ts";
import { scalarsOf } from "./curves.ts";

export interface TrainReporter {
  event(event: TrainEvent): Promise<void>;
  note(line: string): void;
  /** Leaves the terminal as it was found. May be called more than once. */
  end(): void;
}

export interface ReporterOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** What is learnt from: "pictures". */
  readonly things: string;
}

/** Tells how learning goes: a bar on a terminal, else a line now and then, or JSON; and curves for TensorBoard. */
export function trainReporter(
  cli: Cli,
  log: EventFile,
  { json = false, quiet = false, things }: ReporterOptions,
): TrainReporter {
  const counter = createCounter(cli, "step", { quiet: quiet || json });
  const note = (line: string): void => {
    if (!quiet) counter.note(line);
  };
  const skipped = new Set<string>();
  return {
    note,
    async event(event) {
      if (json) await write(cli.stdout, jsonLine(event));
      switch (event.type) {
        case "start": {
          const from = event.step > 0 ? `, going on after step ${event.step}` : "";
          return note(`${event.parameters} numbers learn in ${event.steps} steps${from}`);
        }
        case "step":
          await log.scalars(event.step, scalarsOf(event));
          return counter.update(event.step, event.steps, event.secondsLeft, stateOf(event, things));
        case "skipped":
          // Once, not in every epoch.
          if (!skipped.has(event.key)) counter.note(`left out: ${event.skipped}`);
          skipped.add(event.key);
          return;
        case "recovered":
          return counter.note(
            `step ${event.step} gave numbers that are not finite: going on after step ${event.from} at ${event.rateFactor} of the learning rate`,
          );
        case "rescaled":
          return note(
            `step ${event.step} ran over in 16 bits: its batch is left out, the loss scaled by ${event.lossScale}`,
          );
        case "sample":
          for (const path of event.paths) note(path);
          return;
        case "checkpoint":
          return note(`${event.folder} saved`);
        case "saved":
          counter.end();
          if (!json) await write(cli.stdout, `${event.folder}\n`);
      }
    },
    end: () => counter.end(),
  };
}

function stateOf({ loss, imagesPerSecond }: TrainStepEvent, things: string): string {
  return `loss ${loss.toPrecision(4)}, ${imagesPerSecond.toPrecision(3)} ${things}/s`;
}
