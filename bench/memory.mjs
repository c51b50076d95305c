/**
 * Resident memory of the caller and of the inference process, picture after picture: it should stay where it is.
 * usage: node bench/memory.mjs [model] [pictures] [size] [steps]      needs `npm run build`, Linux
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { load } from "../dist/index.js";

const [model, pictures = "20", size = "256", steps = "2"] = process.argv.slice(2);
const resident = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
const children = () =>
  execFileSync("pgrep", ["-P", `${process.pid}`, "node"])
    .toString()
    .trim()
    .split("\n");

const inkling = await load(model, { device: "cpu" });
for (let i = 0; i < Number(pictures); i++) {
  await inkling.generate({ prompt: "a lady with blue eyes", width: +size, height: +size, steps: +steps, seed: i });
  const inference = children().map((pid) => resident(pid).toFixed(0));
  console.log(`picture ${i + 1}: caller ${resident(process.pid).toFixed(0)} MiB, inference ${inference} MiB`);
}
await inkling.close();
