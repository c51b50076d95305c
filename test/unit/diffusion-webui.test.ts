/** The web UI's schedules and walks against goldens made with its own functions (test/golden/webui.py). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createWalk } from "../../src/diffusion/index.ts";
import { expectClose, std } from "../support/compare.ts";

interface Golden {
  config: Record<string, unknown>;
  s: number;
  mu: number[];
  initial: number[];
  noise: number[][];
  schedules: { schedule: string; steps: number; sigmas: number[] }[];
  walks: {
    sampler: string;
    schedule: string;
    steps: number;
    prediction_type: "epsilon" | "v_prediction";
    sigmas: number[];
    timesteps: number[];
    latents: number[];
  }[];
}
const golden = JSON.parse(readFileSync(new URL("../golden/webui.json", import.meta.url), "utf8")) as Golden;
const { config, s, mu } = golden;

function expectRelative(got: readonly number[], want: readonly number[], tolerance: number, name: string): void {
  const relative = got.map((value, i) => (want[i] === 0 ? value : value / want[i]! - 1));
  expectClose(
    relative,
    want.map(() => 0),
    tolerance,
    { name },
  );
}

describe("schedules", () => {
  it.each(golden.schedules.map((table) => [`${table.schedule}, ${table.steps} steps`, table] as const))(
    "%s",
    (_, table) => {
      const { schedule, steps, sigmas } = table;
      const walk = createWalk({ sampler: "Euler", schedule, steps, config });
      expect(walk.schedule).toBe(schedule);
      expectRelative(walk.sigmas, sigmas, 1e-5, "sigmas");
      expect(walk.calls).toBe(steps);
    },
  );
});

describe("walks", () => {
  const { sigmas } = createWalk({ sampler: "Euler", schedule: "Simple", steps: 1000, config });
  const logs = sigmas.slice(0, 1000).reverse().map(Math.log);

  it.each(golden.walks.map((walk) => [`${walk.sampler} ${walk.schedule} ${walk.prediction_type}`, walk] as const))(
    "%s",
    async (_, want) => {
      const { sampler, schedule, steps, prediction_type: predictionType } = want;
      const walk = createWalk({
        sampler,
        schedule: /fast|adaptive/.test(sampler) ? undefined : schedule,
        steps,
        config,
        predictionType,
      });
      let draws = 0;
      const asked: number[] = [];
      const network = async (x: Float32Array, t: number): Promise<Float32Array> => {
        asked.push(t);
        const low = Math.min(Math.floor(t), logs.length - 2);
        const a = 1 / (1 + Math.exp(2 * (logs[low]! + (t - low) * (logs[low + 1]! - logs[low]!))));
        return x.map((xi, i) => {
          const x0 = (mu[i]! * (1 - a) + s * s * Math.sqrt(a) * xi) / (1 - a + s * s * a);
          const eps = (xi - Math.sqrt(a) * x0) / Math.sqrt(1 - a);
          return predictionType === "epsilon" ? eps : Math.sqrt(a) * eps - Math.sqrt(1 - a) * x0;
        });
      };
      const start = Float32Array.from(golden.initial, (value) => value * walk.initNoiseSigma);
      let latents: Float32Array = start;
      for await (const step of walk.run(network, start, () => Float32Array.from(golden.noise[draws++]!)))
        latents = step.latents;
      // The lengths of the adaptive steps follow from rounding errors.
      const tolerance = sampler === "DPM adaptive" ? 1e-3 : 1e-4;
      const scaled = asked.map((t, i) => (t - want.timesteps[i]!) / Math.max(want.timesteps[i]!, 1));
      expectClose(
        scaled,
        want.timesteps.map(() => 0),
        tolerance,
        { name: "timesteps" },
      );
      if (sampler !== "DPM adaptive") expect([...walk.timesteps]).toEqual(asked);
      const allowed = sampler === "DPM adaptive" ? 1e-4 : 2e-5;
      expectClose(latents, want.latents, allowed * Math.max(1, std(want.latents)), { name: "latents" });
    },
  );
});
