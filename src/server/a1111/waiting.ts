/** The jobs that clients wait for. */
export interface WaitingJobs {
  add(client: string, job: string): void;
  remove(client: string, job: string): void;
  /** The oldest first. */
  of(client: string): readonly string[];
}

/** A1111 knows one user: what it says of progress is said here of the caller's own jobs. */
export function createWaitingJobs(): WaitingJobs {
  const waiting = new Map<string, Set<string>>();
  return {
    add: (client, job) => void waiting.set(client, (waiting.get(client) ?? new Set()).add(job)),
    remove(client, job) {
      const own = waiting.get(client);
      own?.delete(job);
      if (own?.size === 0) waiting.delete(client);
    },
    of: (client) => [...(waiting.get(client) ?? [])],
  };
}

/** What clients have set, for as long as the server runs; of many those that asked last. */
export interface ClientOptions<T extends object> {
  get(client: string): T;
  set(client: string, options: T): void;
}

/** Clients whose options are remembered. */
const MOST_CLIENTS = 1000;

export function createClientOptions<T extends object>(nothing: T): ClientOptions<T> {
  const kept = new Map<string, T>();
  return {
    get: (client) => kept.get(client) ?? nothing,
    set(client, options) {
      kept.delete(client);
      kept.set(client, options);
      if (kept.size > MOST_CLIENTS) kept.delete(kept.keys().next().value!);
    },
  };
}
