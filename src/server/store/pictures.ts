import type { Logger } from "pino";
import { createFileStore, type FileStore, StorageError } from "./files.ts";
import type { PicturePlace } from "./picture-place.ts";

/**
 * The files of the gallery, wherever they lie.
 *
 * @throws StorageError where they can be neither written nor read there, and why
 */
export async function openPictures(place: PicturePlace, log: Logger): Promise<FileStore> {
  if ("folder" in place) return createFileStore(place.folder, { shared: true });
  const { createS3Store } = await import("./s3.ts");
  const onRetry = (why: string, attempt: number): void =>
    log.warn({ why, attempt }, "the pictures' storage is asked again");
  const store = createS3Store(place, { onRetry });
  const { endpoint, bucket, prefix } = place;
  try {
    await store.check();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    throw new StorageError(`s3://${bucket}/${prefix} at ${endpoint}: ${error.message}`, { cause: error });
  }
  return store;
}
