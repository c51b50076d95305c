import { afterAll } from "vitest";
import { createNodeRuntime, createProcessRuntime, type Runtime } from "../../src/runtime/index.ts";
import { describeKept } from "../support/kept.ts";

const options = { device: "cpu", threads: 1 } as const;
const runtimes: (readonly [string, Runtime])[] = [
  ["in this process", createNodeRuntime(options)],
  ["in a process of its own", createProcessRuntime(options)],
];
afterAll(() => Promise.all(runtimes.map(([, runtime]) => runtime.close())));

describeKept(runtimes);
