const N = 624;
const M = 397;

export interface MtState {
  /** 624 of them. */
  readonly words: Uint32Array;
  /** 0 … 624 */
  readonly at: number;
}

/**
 * The 32-bit Mersenne Twister, MT19937 (Matsumoto & Nishimura 1998, with the 2002 initialisation).
 * The state is 624 words; `next` returns uniform integers in [0, 2³²).
 */
export class Mt19937 {
  readonly #state = new Uint32Array(N);
  #at = N;

  /** @param seed taken modulo 2³². */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < N; i++) {
      const previous = state[i - 1]!;
      state[i] = Math.imul(1812433253, previous ^ (previous >>> 30)) + i;
    }
  }

  /** Where it stands: the words and how many of them were given out. */
  get state(): MtState {
    return { words: this.#state.slice(), at: this.#at };
  }

  /** @throws RangeError where this is no state of such a generator */
  set state({ words, at }: MtState) {
    if (words.length !== N || !(Number.isInteger(at) && at >= 0 && at <= N)) {
      throw new RangeError(
        `A Mersenne Twister has ${N} words and stands at one of them, not ${words.length} at ${at}.`,
      );
    }
    this.#state.set(words);
    this.#at = at;
  }

  next(): number {
    if (this.#at === N) this.#twist();
    let y = this.#state[this.#at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #twist(): void {
    const state = this.#state;
    // Three stretches, so that no index needs a remainder: a draw from a vocabulary takes 100,000 words.
    for (let i = 0; i < N - M; i++) state[i] = state[i + M]! ^ mixed(state[i]!, state[i + 1]!);
    for (let i = N - M; i < N - 1; i++) state[i] = state[i + M - N]! ^ mixed(state[i]!, state[i + 1]!);
    state[N - 1] = state[M - 1]! ^ mixed(state[N - 1]!, state[0]!);
    this.#at = 0;
  }
}

function mixed(high: number, low: number): number {
  const y = (high & 0x80000000) | (low & 0x7fffffff);
  return (y >>> 1) ^ (-(low & 1) & 0x9908b0df);
}
