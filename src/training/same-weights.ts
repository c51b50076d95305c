import { createHash } from "node:crypto";
import type { Group } from "./group.ts";
import type { Trainer } from "./trainer.ts";

/**
 * Looks whether all processes have the same weights, bit for bit, as they must after the same steps from the same beginning.
 *
 * @throws where one of them has others than the first
 */
export async function checkSameWeights(trainer: Pick<Trainer, "read" | "steps">, group: Group): Promise<void> {
  if (group.size === 1) return;
  const hash = createHash("sha256");
  for (const [name, { buffer, byteOffset, byteLength }] of await trainer.read("weights")) {
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  const hashes = await group.all(hash.digest("hex"));
  const other = hashes.findIndex((each) => each !== hashes[0]);
  if (other === -1) return;
  throw new Error(
    `After step ${trainer.steps} process ${other + 1} of ${group.size} has other weights than the first one. Do all of them run ` +
      "the same version, on the same kind of processor?",
  );
}
