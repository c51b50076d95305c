import type { Cli } from "./cli.ts";
import { oneLine } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { describe, describePrompt, printPath, type Reporter, type ReporterOptions } from "./progress.ts";

/** The reporter that suits the options and where stderr leads. */
export async function createReporter(options: ReporterOptions, cli: Cli): Promise<Reporter> {
  if (options.json) return jsonReporter(cli);
  if (options.quiet) return quietReporter(cli);
  if (!cli.stderr.isTTY || cli.env["TERM"] === "dumb") return linesReporter(cli, options.count);
  const { barReporter } = await import("./bar.ts");
  return barReporter(cli, options);
}

/** One JSON object a line, on stdout. */
function jsonReporter({ stdout }: Cli): Reporter {
  const say = (event: object): void => void stdout.write(jsonLine(event));
  return {
    note: (message) => say({ type: "note", message }),
    looksIntoSteps: true,
    event: say,
    prompt: say,
    saved: (picture, path) => say({ type: "saved", picture, path }),
    sheet: (path) => say({ type: "sheet", path }),
    end: () => {},
  };
}

function quietReporter(cli: Cli): Reporter {
  return {
    note: () => {},
    event: () => {},
    prompt: () => {},
    saved: (_, path) => printPath(path, cli),
    sheet: (path) => printPath(path, cli),
    end: () => {},
  };
}

/** Plain lines on stderr, for logs: the first and last step, and between them every tenth part or ten seconds. */
function linesReporter(cli: Cli, count: number): Reporter {
  const say = (line: string): void => void cli.stderr.write(`${line}\n`);
  let last = { part: 0, time: 0 };
  return {
    note: (line) => say(`inkling: ${oneLine(line)}`),
    event: (event) => {
      const line = describe(event, count);
      if (!line) return;
      if (event.type === "step") {
        const part = Math.floor((10 * (event.call + 1)) / event.calls);
        const time = Date.now();
        const due = event.call === 0 || event.call + 1 === event.calls || part > last.part || time > last.time + 10_000;
        if (!due) return;
        last = { part: event.call + 1 === event.calls ? 0 : part, time };
      }
      say(line);
    },
    prompt: (prompt, count) => say(describePrompt(prompt, count)),
    saved: (_, path) => printPath(path, cli),
    sheet: (path) => printPath(path, cli),
    end: () => {},
  };
}
