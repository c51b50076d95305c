import { spawn } from "node:child_process";
import { watch } from "./machine.mjs";

/** A process from its start to its end: what it said, and what it took (see `watch`). It ends with this one. */
export function runWatched([program, ...rest], threads) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, OMP_NUM_THREADS: `${threads}`, MKL_NUM_THREADS: `${threads}` };
    const child = spawn(program, rest, { env, stdio: ["ignore", "pipe", "pipe"] });
    const watched = watch(child.pid);
    const end = () => child.kill();
    process.once("exit", end);
    let [output, errors] = ["", ""];
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    child.stderr.on("data", (chunk) => {
      errors = (errors + chunk).slice(-1e5);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("exit", end);
      resolve({ code: code ?? signal, output, errors, ...watched.end() });
    });
  });
}
