import { ApiError } from "./error.ts";

/** Something heavy that several use, one after another. */
export interface Kept<T> {
  /** Opens it where it is not open. Throws an ApiError where too many wait for it. */
  use<R>(work: (opened: T) => Promise<R>): Promise<R>;
  close(): Promise<void>;
}

export interface KeptOptions {
  /** For people. */
  readonly name: string;
  /** Who may wait. */
  readonly waiting: number;
  /** Closed when nobody has used it for so long: it holds memory that drawing can use. */
  readonly idleSeconds: number;
}

export function createKept<T extends { close(): Promise<void> }>(
  open: () => Promise<T>,
  { name, waiting, idleSeconds }: KeptOptions,
): Kept<T> {
  let opened: Promise<T> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let users = 0;
  let timer: NodeJS.Timeout | undefined;

  async function shut(): Promise<void> {
    const closing = opened;
    opened = undefined;
    await (await closing?.catch(() => undefined))?.close();
  }

  return {
    use(work) {
      if (users > waiting) {
        throw new ApiError("too_many", `${users} requests wait for ${name}; ask again in a moment.`, { retryAfter: 5 });
      }
      users++;
      clearTimeout(timer);
      const turn = last.then(async () => {
        opened ??= open();
        try {
          return await work(await opened);
        } catch (error) {
          // What could not be opened is tried again by whoever comes next.
          if (await opened.then(() => false).catch(() => true)) opened = undefined;
          throw error;
        } finally {
          users--;
          if (users === 0) timer = setTimeout(() => void shut(), 1000 * idleSeconds).unref();
        }
      });
      last = turn.catch(() => {});
      return turn;
    },
    async close() {
      clearTimeout(timer);
      await last;
      clearTimeout(timer);
      await shut();
    },
  };
}
