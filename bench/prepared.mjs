/**
 * What prepared weights save: load, first and further steps, and the most memory that the inference process held, without
 * them, in the start that makes them, and in the one after that. Files are in the system's memory, if that is large enough.
 * usage: node bench/prepared.mjs [model] [size] [steps] [rounds]      needs `npm run build`, Linux
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { load } from "../dist/index.js";
import { children, describeMachine, peakOf, timed } from "./machine.mjs";

const [model, size = "256", steps = "3", rounds = "1"] = process.argv.slice(2);
const folder = mkdtempSync(join(homedir(), ".cache", "inkling-prepared-bench-"));

async function picture(name, prepared) {
  const inkling = await load(model || undefined, { device: "cpu", prepared });
  const settings = { prompt: "a lady with blue eyes", width: +size, height: +size, steps: +steps, seed: 1 };
  const pids = [process.pid, ...children()];
  const row = { start: name };
  const { disturbed } = await timed(pids, async () => {
    let last;
    for await (const event of inkling.stream(settings)) {
      if (event.type === "model") row["load s"] = event.seconds.toFixed(2);
      if (event.type === "step") {
        const seconds = ((performance.now() - last) / 1000).toFixed(2);
        if (event.call === 0) row["first step s"] = seconds;
        else row["last step s"] = seconds;
      }
      if (event.type === "image") {
        row["picture s"] = event.seconds.toFixed(2);
        row["pixels"] = createHash("sha256").update(event.pixels.data).digest("hex").slice(0, 8);
      }
      last = performance.now();
    }
  });
  row["peak GiB"] = (Math.max(...pids.slice(1).map(peakOf)) / 1024).toFixed(2);
  row["disturbed"] = `${(100 * disturbed).toFixed(0)} %`;
  await inkling.close();
  const drawn = performance.now();
  // Small networks are prepared when all else is done.
  while (children().some((pid) => pids.includes(pid))) await sleep(10);
  if (prepared) row["after that s"] = ((performance.now() - drawn) / 1000).toFixed(1);
  return row;
}

try {
  console.log(describeMachine());
  const rows = [];
  for (let i = 0; i < +rounds; i++) {
    rows.push(await picture("without", false));
    rows.push(await picture("preparing", { folder }));
    // What was written last is not to be in the way of what is read next.
    execFileSync("sync");
    rows.push(await picture("prepared", { folder }));
    if (i < rounds - 1) for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  }
  console.table(rows);
  if (new Set(rows.map(({ pixels }) => pixels)).size > 1) throw new Error("The pictures are not the same.");
  for (const name of readdirSync(folder)) {
    const { size } = statSync(join(folder, name, "weights.bin"));
    console.log(`${name.slice(0, 8)}: ${(size / 2 ** 30).toFixed(2)} GiB`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
