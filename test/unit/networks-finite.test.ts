import { describe, expect, test } from "vitest";
import { createNetworks } from "../../src/pipelines/networks.ts";
import type { SessionsOptions } from "../../src/pipelines/sessions.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { float32, int64 } from "../../src/tensor/index.ts";
import { openCheckpoint } from "../../src/weights/index.ts";
import { plainCheckpoint } from "../support/checkpoints.ts";

/** Every network gives NaN. */
const broken: Runtime = {
  device: "cpu",
  createSession: async () => ({
    inputNames: [],
    outputNames: [],
    ended: false,
    run: async () => ({ last_hidden_state: float32([1, 1, 1], [Number.NaN]) }),
    runKeeping: async () => ({ outputs: {}, kept: {} }),
    release: async () => {},
  }),
  close: async () => {},
};

describe("an output that is not finite is refused", () => {
  const saidWith = async (options: SessionsOptions) => {
    const networks = createNetworks(await openCheckpoint(plainCheckpoint.folder), broken, options);
    return await networks.encodeText(int64([1, 1], [0]), 0).catch((error: Error) => error.message);
  };

  test("naming the weight that was found", async () => {
    const said = await saidWith({ findNonFinite: async () => ({ name: "a.weight", value: "NaN" }) });
    expect(said).toMatch(/^The text encoder gave .*: its weight "a\.weight" in .*text_encoder.* holds NaN\./);
  });

  test("with the settings to change where every weight is finite", async () => {
    const said = await saidWith({ findNonFinite: async () => undefined });
    expect(said).toMatch(/although its weights in .*text_encoder.* are all finite\. Try another sampler/);
  });

  test("saying that the weights may be at fault where nobody looked at them", async () => {
    expect(await saidWith({})).toMatch(/\. Try another sampler.* Its weights in .*text_encoder.* may be damaged/);
  });
});
