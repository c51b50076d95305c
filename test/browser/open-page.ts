import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import type { OnnxModel } from "../../src/graph/index.ts";
import type { StoredTensor } from "../../src/tensor/index.ts";
import { root } from "../support/fixtures.ts";
import { openChromium } from "./chromium.ts";
import type { InPage, PageModel } from "./page.ts";
import { serve } from "./server.ts";

/** Chromium with page.ts in it, and the server that both come from. */
export interface TestPage {
  /** Calls a function in the page. It is sent as text: all that it may use are its two arguments. */
  inPage<A, B>(call: (it: InPage, given: A) => Promise<B>, given: A): Promise<B>;
  /** Puts a graph where the page can fetch it. */
  offer(model: OnnxModel): PageModel;
  /** The address of a weight of the fixtures. */
  offerWeight(stored: StoredTensor): StoredTensor;
  /** What stood in the page's console. */
  readonly said: readonly string[];
  close(): Promise<void>;
}

/**
 * A page as a user of the package would build it.
 *
 * @throws where it is given no WebGPU adapter: the suites fail then, they do not pass over it
 */
export async function openPage(): Promise<TestPage> {
  const browser = await openChromium();
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
  await page.goto(`${server.origin}/page/index.html`);

  const fixtures = realpathSync(root);
  const opened: TestPage = {
    async inPage<A, B>(call: (it: InPage, given: A) => Promise<B>, given: A): Promise<B> {
      const result = await page.evaluate(
        `(${call.toString()})(globalThis.inPage, ${JSON.stringify(given) ?? "undefined"})`,
      );
      return result as B;
    },
    offer({ bytes, ...about }) {
      const address = `/models/${[...made.values()].indexOf(bytes) + 1 || made.size + 1}.onnx`;
      made.set(address, bytes);
      return { ...about, address };
    },
    offerWeight: (stored) => ({ ...stored, file: `${server.origin}/fixtures/${relative(fixtures, stored.file)}` }),
    said,
    async close() {
      await browser.close();
      await server.close();
      rmSync(folder, { recursive: true });
    },
  };
  const adapter = await opened.inPage((it) => it.adapter(), undefined);
  if (adapter !== undefined) return opened;
  await opened.close();
  throw new Error("Chromium gives the page no WebGPU adapter, so nothing was tested in it.");
}
