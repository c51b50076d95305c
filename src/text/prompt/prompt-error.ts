import { InputError } from "../../tensor/index.ts";

/** Something in a prompt that cannot be drawn, and where it stands. */
export class PromptError extends InputError {
  /** Offset of the first character at fault in the prompt as typed. */
  readonly at: number;
  /** Offset behind the last. */
  readonly end: number;

  /** `what` follows the place in the message and says what to do. */
  constructor(what: string, { name, at, end, shown }: PromptPlace) {
    const quoted = shown.length > 40 ? `${shown.slice(0, 40)}…` : shown;
    super(`The ${name} is wrong at character ${at + 1}, "${quoted}": ${what}`);
    this.at = at;
    this.end = end;
  }
}

export interface PromptPlace {
  /** Which prompt: "prompt", "negative prompt". */
  readonly name: string;
  readonly at: number;
  readonly end: number;
  /** The characters at fault. */
  readonly shown: string;
}
