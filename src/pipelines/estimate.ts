/** How a decode of the VAE compares with a call of the U-Net, before one was seen. */
const DECODE_IN_CALLS = 2;

/**
 * Guesses the time left of a run of `pictures` × (`calls` of the U-Net and a decode) from what has been seen of each
 * kind so far.
 */
export function createEstimate(pictures: number, calls: number, now: () => number = () => performance.now() / 1000) {
  const seen = { call: { count: 0, seconds: 0 }, decode: { count: 0, seconds: 0 } };
  const left = { call: pictures * calls, decode: pictures };
  let last = now();
  const mean = (kind: "call" | "decode"): number => {
    const { count, seconds } = seen[kind];
    if (count > 0) return seconds / count;
    return kind === "decode" ? DECODE_IN_CALLS * mean("call") : 0;
  };
  return {
    /** One more of this kind is done; what came between belongs to it. */
    done(kind: "call" | "decode"): void {
      const time = now();
      seen[kind].count++;
      seen[kind].seconds += time - last;
      left[kind] = Math.max(0, left[kind] - 1);
      last = time;
    },
    get secondsLeft(): number {
      return left.call * mean("call") + left.decode * mean("decode");
    },
  };
}
