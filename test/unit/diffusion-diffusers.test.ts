/** Corners of diffusers' schedulers against goldens made with it (test/golden/diffusers.py). */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { classes } from "../../src/diffusion/diffusers/classes.ts";
import { tableOf } from "../../src/diffusion/diffusers/layout.ts";
import { createWalk } from "../../src/diffusion/index.ts";
import { resolveOptions } from "../../src/diffusion/options.ts";
import { InputError } from "../../src/tensor/index.ts";
import { expectClose, std } from "../support/compare.ts";

interface Case {
  class: keyof typeof classes;
  options: Record<string, unknown>;
  steps?: number;
  timesteps?: number[];
  begin?: number;
  timesteps_walked: number[];
  /** After every call, or after the last one only. */
  latents: number[][];
  draws: number;
}
interface Golden {
  base: Record<string, unknown>;
  s: number;
  mu: number[];
  initial: number[];
  noise: number[][];
  cases: Case[];
  /** Where diffusers raised an error, or ended in something that is not a number. */
  refused: (Pick<Case, "class" | "options" | "steps"> & { error: string })[];
}
const golden = JSON.parse(readFileSync(new URL("../golden/diffusers.json", import.meta.url), "utf8")) as Golden;
const { base, s, mu } = golden;

function alphaBar(cumprod: ArrayLike<number>, t: number): number {
  if (Number.isInteger(t)) return cumprod[t]!;
  const low = Math.min(Math.floor(t), cumprod.length - 2);
  const [l0, l1] = [low, low + 1].map((i) => Math.log((1 - cumprod[i]!) / cumprod[i]!) / 2) as [number, number];
  return 1 / (1 + Math.exp(2 * (l0 + (t - low) * (l1 - l0))));
}

it.each(
  golden.cases.map(
    (c) =>
      [
        `${c.class} ${JSON.stringify({ ...c.options, trained_betas: undefined })} ${c.steps ?? c.timesteps} ${c.begin ? `from ${c.begin}` : ""}`,
        c,
      ] as const,
  ),
)("%s", async (_, c) => {
  const config = { ...base, ...c.options };
  const walk = createWalk({
    sampler: c.class,
    steps: c.steps ?? c.timesteps!.length,
    timesteps: c.timesteps,
    begin: c.begin,
    config,
  });
  // Near 0 a timestep's relative error is that of float32 log sigma, magnified: errors count per timestep there.
  const scaled = (values: readonly number[]) =>
    values.map((t, i) => (t - c.timesteps_walked[i]!) / Math.max(c.timesteps_walked[i]!, 2));
  expectClose(
    scaled(walk.timesteps),
    c.timesteps_walked.map(() => 0),
    1e-4,
    { name: `timesteps ${walk.timesteps} want ${c.timesteps_walked}` },
  );

  const cumprod = tableOf(resolveOptions(c.class, classes[c.class].defaults, config)).alphasCumprod;
  const network = async (x: Float32Array, t: number): Promise<Float32Array> => {
    const a = alphaBar(cumprod, t);
    return x.map((xi, i) => {
      const x0 = (mu[i]! * (1 - a) + s * s * Math.sqrt(a) * xi) / (1 - a + s * s * a);
      const eps = (xi - Math.sqrt(a) * x0) / Math.sqrt(1 - a);
      return c.options["prediction_type"] === "v_prediction" ? Math.sqrt(a) * eps - Math.sqrt(1 - a) * x0 : eps;
    });
  };
  const noise = Float32Array.from(golden.initial);
  const start = c.begin
    ? walk.addNoise(Float32Array.from(mu), noise)
    : noise.map((value) => value * walk.initNoiseSigma);
  let draws = 0;
  const rows: Float32Array[] = [];
  for await (const { latents } of walk.run(network, start, () => Float32Array.from(golden.noise[draws++]!)))
    rows.push(latents);
  const got = rows.slice(-c.latents.length);
  c.latents.forEach((want, i) => {
    expectClose(got[i]!, want, 2e-5 * Math.max(1, std(want)), { name: `latents, row ${i} of those kept` });
  });
  expect(draws, "draws").toBe(c.draws);
});

/** More of something than the model has: what is refused here too. The others are errors that this program does not make. */
const tooMany = golden.refused.filter(
  ({ options, steps }) =>
    Number(options["num_train_timesteps"] ?? Infinity) <= steps! || Number(options["original_inference_steps"]) > 1000,
);

it.each(tooMany.map((c) => [`${c.class} ${JSON.stringify(c.options)} ${c.steps}`, c] as const))(
  "%s is refused",
  (_, { class: sampler, options, steps }) => {
    const walk = () => createWalk({ sampler, steps: steps!, config: { ...base, ...options } });
    expect(walk).toThrow(InputError);
    expect(walk).toThrow(options["original_inference_steps"] ? /is 2000; .* 1000 timesteps/ : /at most 19/);
  },
);
