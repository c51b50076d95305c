#!/usr/bin/env node
import { engine, type Output, Stopped } from "./cli.ts";
import { run } from "./program.ts";

const controller = new AbortController();

/** The first signal stops the work and cleans up; the second one does not wait for that. */
function stopOn(signal: NodeJS.Signals, exitCode: number, message: string): void {
  process.on(signal, () => {
    if (controller.signal.aborted) process.exit(exitCode);
    controller.abort(new Stopped(message, exitCode));
  });
}
stopOn("SIGINT", 130, "interrupted");
stopOn("SIGTERM", 143, "terminated");
stopOn("SIGHUP", 129, "");
// A limit on the length of files (ulimit -f) becomes an error of the write instead of a silent death.
process.on("SIGXFSZ", () => {});

for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    // Nobody reads any more (`inkling … | head`): stop drawing, without a word, with the shell's code for SIGPIPE.
    if (error.code === "EPIPE") controller.abort(new Stopped("", 141));
    else if (stream === process.stdout) controller.abort(new Stopped(`stdout cannot be written: ${error.message}`, 1));
    else process.exit(1);
  });
}

const exitCode = await run(process.argv.slice(2), {
  stdout: process.stdout as Output,
  stderr: process.stderr as Output,
  stdin: process.stdin,
  env: process.env,
  signal: controller.signal,
  engine,
});

// A signal handler or an idle thread of a library must not keep a finished command alive; what was written goes out.
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write("", done))));
process.exit(exitCode);
