/** Lets the event loop turn once: timers, input and other promises get their chance before what follows. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Numbers that a simple pass gets through in a few milliseconds. */
const CHUNK = 1 << 19;

/** Runs `work` over the indices 0 … length in pieces, the event loop turning in between. */
export async function inTurns(length: number, work: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < length; from += CHUNK) {
    if (from > 0) await nextTurn();
    work(from, Math.min(length, from + CHUNK));
  }
}

/** What `work` comes to, unless the signal fires first: then its reason at once, and the work ends in its own time. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
