// Every check, one after another: what `npm test` runs.
//
//   node scripts/test.mjs                   all of them
//   node scripts/test.mjs --only unit       build, then the tests under test/unit alone (parity, webgpu, browser …)
//   node scripts/test.mjs --only parity -t heun     further arguments go to vitest
//   node scripts/test.mjs --only long     what takes minutes, and is in none of the others
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const only = process.argv[2] === "--only" ? process.argv[3] : undefined;
const rest = process.argv.slice(only ? 4 : 2);
if (only && !existsSync(join(root, "test", only))) {
  console.error(`There is no folder test/${only}.`);
  process.exit(2);
}

// What vitest.config.ts looks at.
if (only === "long") process.env.INKLING_TEST_LONG = "1";

let passed = 0;
let failed = 0;

/** Runs one check, shows how long it took, and counts it as failed where it is. */
function step(name, check) {
  console.log(`\n── ${name}`);
  const start = performance.now();
  let problem;
  try {
    problem = check();
  } catch (error) {
    problem = error.message;
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(problem ? `── ${name}: failed after ${seconds} s: ${problem}` : `── ${name}: ${seconds} s`);
  if (problem) failed++;
  return !problem;
}

/** A command's exit as a problem, or nothing. */
function run(command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: "inherit", ...options });
  if (error) return `${command}: ${error.message}`;
  return status === 0 ? undefined : `${command} ended with ${signal ?? `code ${status}`}`;
}

const tool = (name, ...args) => run(join(root, "node_modules", ".bin", name), args);

/** The WebGPU suites need a browser and its software adapter; Vulkan's loader finds the latter for Node. */
function needChromium() {
  // Not on the path of people who are not root.
  const loader = () => spawnSync("/sbin/ldconfig", ["-p"], { encoding: "utf8" }).stdout?.includes("libvulkan.so.1");
  const missing = () => [
    ...(existsSync(process.env.CHROMIUM ?? "/usr/bin/chromium") ? [] : ["chromium"]),
    ...(loader() ? [] : ["libvulkan1"]),
  ];
  const packages = missing();
  if (packages.length === 0) return;
  const how = `apt-get install ${packages.join(" ")} (Debian), or CHROMIUM=/path/to/chromium`;
  if (!existsSync("/etc/debian_version") || process.getuid?.() !== 0) {
    return `${packages.join(" and ")} missing, which the WebGPU tests need: ${how}.`;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-q"], { env });
  run("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { env });
  if (missing().length > 0) return `${packages.join(" and ")} could not be installed: ${how}.`;
}

/** Counts the tests, and the files that failed before they had any. */
function vitest(...args) {
  const folder = mkdtempSync(join(tmpdir(), "inkling-test-"));
  const report = join(folder, "report.json");
  try {
    const problem = tool(
      "vitest",
      "run",
      "--reporter=default",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...args,
    );
    if (!existsSync(report)) return problem ?? "vitest wrote no report";
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8"));
    const broken = testResults.filter((file) => file.status === "failed" && !file.assertionResults.some(isFailure));
    passed += numPassedTests;
    failed += numFailedTests + broken.length;
    // What is counted already is no further failure; anything else that vitest minds is.
    return problem && numFailedTests + broken.length === 0 ? problem : undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const isFailure = ({ status }) => status === "failed";

const ready = only && !["webgpu", "browser", "studio"].includes(only) ? true : step("chromium", needChromium);
const built = ready && step("build", () => run("npm", ["run", "--silent", "build"]));
if (built && !only) {
  step("types", () => tool("tsc", "-p", "tsconfig.json", "--noEmit"));
  step("types of the page", () => tool("svelte-check", "--tsconfig", "web/tsconfig.json", "--fail-on-warnings"));
  step("style", () => tool("biome", "check", "."));
  step("import directions", () => tool("depcruise", "src", "--config", ".dependency-cruiser.cjs"));
}
if (built) step("tests", () => vitest(...(only ? [`test/${only}/`] : []), ...rest));

console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
