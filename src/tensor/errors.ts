/**
 * What the user gave is at fault: a file, a folder, a name, a setting. The message says what is wrong, where, and what
 * to do; the command line prints it alone, without a stack.
 */
export class InputError extends Error {
  override readonly name = "InputError";
}
