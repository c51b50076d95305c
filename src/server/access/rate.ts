/** A bucket of tokens for each client: so many requests at once, and so many a second on the long run. */
export interface Rate {
  /** Takes `cost` tokens; otherwise gives the seconds until there are so many. */
  take(client: string, cost: number): number;
}

/** Clients that are remembered. */
const MOST_CLIENTS = 10_000;

/**
 * @param perSecond tokens that come back a second; 0 refuses nothing
 * @param burst tokens at most
 */
export function createRate(perSecond: number, burst: number, now: () => number = () => performance.now() / 1000): Rate {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return {
    take(client, cost) {
      if (perSecond === 0) return 0;
      const time = now();
      const bucket = buckets.get(client) ?? { tokens: burst, at: time };
      const tokens = Math.min(burst, bucket.tokens + (time - bucket.at) * perSecond);
      const left = tokens >= cost ? tokens - cost : tokens;
      // Whoever asked last stands last: the first to go has probably a full bucket again.
      buckets.delete(client);
      buckets.set(client, { tokens: left, at: time });
      if (buckets.size > MOST_CLIENTS) buckets.delete(buckets.keys().next().value!);
      return tokens >= cost ? 0 : (cost - tokens) / perSecond;
    },
  };
}
