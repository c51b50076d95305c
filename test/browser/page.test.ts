import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { afterAll, expect, test } from "vitest";
import type { OnnxModel } from "../../src/graph/index.ts";
import { type Tensor, viewBytes } from "../../src/tensor/index.ts";
import { expectCase, type GraphCase } from "../support/cases.ts";
import { root } from "../support/fixtures.ts";
import { webgpuCases } from "../webgpu/cases.ts";
import { tolerances } from "../webgpu/tolerances.ts";
import { openChromium } from "./chromium.ts";
import type { InPage, PackedTensors, PageModel } from "./page.ts";
import { serve } from "./server.ts";

const browser = await openChromium();

/** A page as a user of the package would build it. */
const folder = mkdtempSync(join(tmpdir(), "inkling-page-"));
await build({
  root: fileURLToPath(new URL(".", import.meta.url)),
  base: "./",
  build: { outDir: folder, target: "esnext", emptyOutDir: true },
  logLevel: "warn",
});

const made = new Map<string, Uint8Array>();
const server = await serve({ "/page/": folder, "/fixtures/": root }, made);
const page = await browser.newPage();
const said: string[] = [];
page.on("console", (message) => said.push(message.text()));
page.on("pageerror", (error) => said.push(String(error)));
afterAll(async () => {
  await browser.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

await page.goto(`${server.origin}/page/index.html`);
const adapter = await inPage((it) => it.adapter(), undefined);
if (adapter === undefined) throw new Error("Chromium gives the page no WebGPU adapter, so nothing was tested in it.");

const fixtures = realpathSync(root);
const cases = await webgpuCases((stored) => ({
  ...stored,
  file: `${server.origin}/fixtures/${relative(fixtures, stored.file)}`,
}));

test.each(cases.map((c) => [c.name, c] as const))("%s", async (_, c) => {
  expectCase(await outputsOf(c), c, tolerances[c.kind]);
});

test("the page had nothing to say", () => expect(said).toEqual([]));

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

/** Puts a graph where the page can fetch it. */
function offer({ bytes, ...about }: OnnxModel): PageModel {
  const address = `/models/${[...made.values()].indexOf(bytes) + 1 || made.size + 1}.onnx`;
  made.set(address, bytes);
  return { ...about, address };
}

async function inPage<A, B>(call: (it: InPage, given: A) => Promise<B>, given: A): Promise<B> {
  // The function is sent as text: all that it may use are its two arguments.
  const result = await page.evaluate(
    `(${call.toString()})(globalThis.inPage, ${JSON.stringify(given) ?? "undefined"})`,
  );
  return result as B;
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (a: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

function pack({ dtype, shape, data }: Tensor): PackedTensors[string] {
  return { dtype, shape, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64") };
}

function unpack({ dtype, shape, data }: PackedTensors[string]): Tensor {
  return { dtype, shape, data: viewBytes(dtype, new Uint8Array(Buffer.from(data, "base64"))) };
}
