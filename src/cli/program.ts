import { Command } from "commander";
import { version } from "../pipelines/version.ts";
import type { Cli } from "./cli.ts";
import { oneLine, report, UsageError } from "./errors.ts";
import { mistakenCommand } from "./mistaken-command.ts";
import { PICTURE } from "./options.ts";
import { commands, DEFAULT } from "./registry.ts";

/**
 * Runs one command line and returns its exit code. Never throws.
 *
 * @param args what stands after `inkling`
 */
export async function run(args: readonly string[], cli: Cli): Promise<number> {
  try {
    const program = createProgram(cli);
    if (args.length === 0) program.outputHelp();
    else {
      refuseMistakenCommand(args);
      await program.parseAsync(args, { from: "user" });
    }
    cli.signal.throwIfAborted();
    return 0;
  } catch (error) {
    return report(error, cli);
  }
}

/** The commands with their options; parsing one runs it. */
export function createProgram(cli: Cli): Command {
  const program = new Command("inkling")
    .description("Draws pictures from words, on this machine.")
    .usage('[options] "a prompt"  |  inkling <command> [options]')
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showSuggestionAfterError(true)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => cli.stdout.write(text),
      writeErr: (text) => cli.stderr.write(text),
      // commander's "error: …\n(Did you mean …?)" in the one line that all errors here have.
      outputError: (text, show) => show(`inkling: ${oneLine(text.trim()).replace(/^error: /, "")}\n`),
    });
  for (const [verb, define] of Object.entries(commands)) {
    define(program.command(verb, { isDefault: verb === DEFAULT }), cli);
  }
  program.helpCommand("help [command]", "print the help of a command");
  const main = program.commands.find((command) => command.name() === DEFAULT)!;
  // The default command's options are the ones that people look for first.
  program.addHelpText("after", () => {
    const help = main.helpInformation();
    return `\n${help.slice(help.indexOf(PICTURE), help.lastIndexOf("\nOptions:\n"))}${EXAMPLES}`;
  });
  return program;
}

const EXAMPLES = `
Examples:
  inkling "a lady with blue eyes"
  inkling "a red house" --seed 7 --count 4 --output pictures/
  inkling --from pictures/inkling-00001-7.png --steps 40
  inkling "a cat" --model ./my-model --sampler "DPM++ 2M" --schedule karras -o cat.webp
`;

/** `inkling samplrs` would draw the word "samplrs". */
function refuseMistakenCommand(args: readonly string[]): void {
  const [word] = args;
  if (args.length !== 1 || !word || /\s|^-/.test(word) || Object.hasOwn(commands, word)) return;
  const meant = mistakenCommand(word, Object.keys(commands));
  if (!meant) return;
  throw new UsageError(
    `there is no command "${word}" (Did you mean ${meant}?) To draw the word itself: inkling ${DEFAULT} ${word}`,
  );
}
