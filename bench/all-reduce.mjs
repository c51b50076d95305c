// What it costs to bring the gradients of several processes together, by way of a Redis server of their own:
//
//   node bench/all-reduce.mjs [numbers] [processes] [times]
//
// Each process adds up as many float32 numbers with the others as a model has parameters, in chunks as the trainer's.
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { groupOver, openRedisPost, startRedisServer } from "../dist/training/index.js";

const CHUNK = 1 << 24;

async function measure({ rank, size, address, numbers, times }) {
  const post = await openRedisPost({ address, name: "bench", rank, size });
  const group = groupOver(post);
  const chunks = [];
  for (let left = numbers; left > 0; left -= CHUNK) chunks.push(new Float32Array(Math.min(left, CHUNK)).fill(rank + 1));
  const seconds = [];
  for (let i = 0; i < times; i++) {
    await group.all("ready");
    const start = performance.now();
    for (const chunk of chunks) await group.sum(chunk.fill(rank + 1));
    seconds.push((performance.now() - start) / 1000);
    if (chunks.some((chunk) => chunk.some((value) => value !== (size * (size + 1)) / 2)))
      throw new Error("a wrong sum");
  }
  await post.close();
  return seconds;
}

if (process.send) {
  process.once("message", async (task) => {
    await measure(task);
    process.exit();
  });
} else {
  const [numbers, size, times] = [60_000_000, 2, 3].map((value, i) => Number(process.argv[2 + i] ?? value));
  const server = await startRedisServer();
  const task = { size, numbers, times, address: server.address };
  const others = Array.from({ length: size - 1 }, (_, i) => {
    const child = fork(fileURLToPath(import.meta.url));
    child.send({ ...task, rank: i + 1 });
    return once(child, "exit");
  });
  const seconds = await measure({ ...task, rank: 0 });
  await Promise.all(others);
  await server.close();
  const best = Math.min(...seconds);
  const bytes = (4 * numbers * 2 * (size - 1)) / size;
  console.log(`${numbers} numbers, ${size} processes: ${seconds.map((each) => each.toFixed(2)).join(", ")} s`);
  console.log(
    `${(bytes / 2 ** 20).toFixed(0)} MiB sent and as many received by each: ${(bytes / best / 2 ** 30).toFixed(2)} GiB/s`,
  );
}
