import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/**
 * Debian's chromium (or the one that CHROMIUM names) with its software adapter for WebGPU.
 *
 * @throws where there is none
 */
export async function openChromium(): Promise<Browser> {
  const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  if (!existsSync(executablePath)) {
    throw new Error(
      `There is no ${executablePath}, so nothing was tested in a page. Install it (apt-get install chromium) or name ` +
        "another in CHROMIUM.",
    );
  }
  return await chromium.launch({
    executablePath,
    // The sandbox cannot be set up as root, and the only page opened is our own.
    args: ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--no-sandbox"],
  });
}
