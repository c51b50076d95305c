import { forward } from "./diffusers/class.ts";
import { tableOf } from "./diffusers/layout.ts";
import type { NoiseTable, PredictionType } from "./noise.ts";
import { resolveOptions, type SchedulerConfig } from "./options.ts";

/** What a network learns to undo, and in which terms it says so. */
export interface TrainedNoise {
  readonly table: NoiseTable;
  readonly prediction: PredictionType;
}

/**
 * What a scheduler_config.json says of training, with the defaults of diffusers' DDPMScheduler, whichever class it is of.
 *
 * @throws InputError naming the key whose value is of the wrong kind
 */
export function trainedNoise(config: SchedulerConfig): TrainedNoise {
  const options = resolveOptions("scheduler_config.json", { ...forward, rescale_betas_zero_snr: false }, config);
  return { table: tableOf(options), prediction: options.prediction_type };
}
