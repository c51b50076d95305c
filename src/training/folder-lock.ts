import { rmSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../tensor/index.ts";

const NAME = ".training";

/**
 * Makes this process the only one that trains in `folder`: two would write the same checkpoints. What a process that was killed
 * left behind does not count.
 *
 * @returns what ends that
 * @throws InputError naming the process that trains there already
 */
export async function lockFolder(folder: string): Promise<() => void> {
  const path = join(folder, NAME);
  const other = Number(await readFile(path, "utf8").catch(() => ""));
  if (other > 0 && other !== process.pid && isRunning(other)) {
    throw new InputError(
      `Another process (${other}) trains in ${folder}. Wait for it, stop it, or name another folder.`,
    );
  }
  await writeFile(path, `${process.pid}\n`);
  const unlock = (): void => {
    process.off("exit", unlock);
    rmSync(path, { force: true });
  };
  process.once("exit", unlock);
  return unlock;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process may not be asked.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
