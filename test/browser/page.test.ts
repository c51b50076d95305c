import { afterAll, expect, test } from "vitest";
import type { Tensor } from "../../src/tensor/index.ts";
import { expectCase, type GraphCase } from "../support/cases.ts";
import { webgpuCases } from "../webgpu/cases.ts";
import { unsupported } from "../webgpu/refused.ts";
import { tolerances } from "../webgpu/tolerances.ts";
import { openPage } from "./open-page.ts";
import { mapValues, pack, unpack } from "./packed.ts";

const { inPage, offer, offerWeight, said, close } = await openPage();
afterAll(close);

const cases = await webgpuCases(offerWeight);

test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
  expectCase(await outputsOf(c), c, tolerances[c.kind]);
});

test("tensors stay on the device", async () => {
  expect(await inPage((it, x) => it.kept(x), 3)).toEqual({ location: "gpu-buffer", sum: 5 });
});

test("the page had nothing to say", () => expect(said).toEqual([]));

// What ran above was strict too, and so had no node on the CPU. The runtime writes its refusal to the console.
test("strict refuses what would end up on the CPU", async () => {
  const model = offer(unsupported());
  expect(await inPage((it, given) => it.refusal(given, false), model)).toBeUndefined();
  const refusal = /fallback to CPU EP has been explicitly disabled/;
  expect(await inPage((it, given) => it.refusal(given, true), model)).toMatch(refusal);
  expect(said).toEqual([expect.stringMatching(refusal)]);
});

let latest: { readonly of: GraphCase; readonly outputs: Readonly<Record<string, Tensor>> } | undefined;

/** What the page makes of a case; cases that share model and feeds share it too. */
async function outputsOf(c: GraphCase): Promise<Readonly<Record<string, Tensor>>> {
  if (latest?.of.model !== c.model || latest.of.feeds !== c.feeds) {
    const outputs = await inPage(({ run }, [model, feeds]) => run(model, feeds), [
      offer(c.model),
      mapValues(c.feeds, pack),
    ] as const);
    latest = { of: c, outputs: mapValues(outputs, unpack) };
  }
  return latest.outputs;
}
