/** What is said of an inference process that ended. */
import { describe, expect, it } from "vitest";
import { describeExit } from "../../src/runtime/exit.ts";
import { isOutOfMemory } from "../../src/runtime/out-of-memory.ts";

const HINT = "The system may have run out of memory: try a smaller size or model.";
const frames = `----- Native stack trace -----\n\n${Array.from({ length: 24 }, (_, i) => `${i + 1}: 0x195e376 [/usr/bin/node]\n`).join("")}`;

describe("where Node gave up, the line that says why is told, not a frame of the stack", () => {
  it.each([
    "FATAL ERROR: Scavenger: semi-space copy Allocation failed - JavaScript heap out of memory",
    "# Fatal process OOM in Failed to reserve virtual memory for CodeRange",
    "OOM error in V8: Committing semi space failed",
  ])("%s", (line) => {
    const told = describeExit(null, "SIGABRT", `<--- Last few GCs --->\n\n${line}\n${frames}`);
    expect(told).toBe(`The inference process was ended by SIGABRT. ${HINT} Its last words: ${line}`);
    expect(isOutOfMemory(told)).toBe(true);
  });

  it("and another reason than memory brings no advice about it", () => {
    const line = "FATAL ERROR: v8::ToLocalChecked Empty MaybeLocal";
    const told = describeExit(null, "SIGABRT", `${line}\n${frames}`);
    expect(told).toBe(`The inference process was ended by SIGABRT. Its last words: ${line}`);
    expect(isOutOfMemory(told)).toBe(false);
  });
});

it.each([
  ["killed", null, "SIGKILL", "", `was ended by SIGKILL. ${HINT}`],
  ["without memory", null, "SIGABRT", "terminate\n  what():  std::bad_alloc\n", HINT],
  ["aborted", null, "SIGABRT", "", "The inference process was ended by SIGABRT."],
  ["by itself", 3, null, "one\nlast\n", "The inference process ended with exit code 3. Its last words: last"],
] as const)("says how it ended: %s", (_, code, signal, stderr, wanted) => {
  const told = describeExit(code, signal, stderr);
  expect(told).toContain(wanted);
  expect(told.includes(HINT)).toBe(wanted.includes(HINT));
  expect(isOutOfMemory(told)).toBe(wanted.includes(HINT));
});

it("a room is not an end of memory", () => expect(isOutOfMemory("no room for a loom")).toBe(false));
