const { imul } = Math;
const ENTROPY = { start: 0x43b0d7e5, factor: 0x931e8875 };
const STATE = { start: 0x8b51f9dd, factor: 0x58f38ded };
const [MIX_LEFT, MIX_RIGHT] = [0xca01f9dd, 0x4973f715];

/**
 * `count` words of NumPy's `SeedSequence(entropy, spawn_key, pool_size).generate_state(count)`: integers of 32 bits in
 * which a change of any input bit changes half of the bits (after O'Neill 2015, "Developing a seed_seq alternative").
 *
 * @param entropy ≥ 0
 * @param key ≥ 0 each
 */
export function seedSequence(entropy: bigint, key: readonly number[], poolSize: number, count: number): number[] {
  const words = wordsOf(entropy);
  // Padded, so that no key can pass for more entropy.
  while (key.length > 0 && words.length < poolSize) words.push(0);
  words.push(...key.flatMap((number) => wordsOf(BigInt(number))));

  const hash = hasher(ENTROPY);
  const pool = Array.from({ length: poolSize }, (_, i) => hash(words[i] ?? 0));
  for (let from = 0; from < poolSize; from++) {
    for (let to = 0; to < poolSize; to++) if (to !== from) pool[to] = mix(pool[to]!, hash(pool[from]!));
  }
  for (const word of words.slice(poolSize)) {
    for (let to = 0; to < poolSize; to++) pool[to] = mix(pool[to]!, hash(word));
  }
  const draw = hasher(STATE);
  return Array.from({ length: count }, (_, i) => draw(pool[i % poolSize]!) >>> 0);
}

/** A multiplicative hash whose constant moves on with every call. */
function hasher({ start, factor }: { start: number; factor: number }): (value: number) => number {
  let constant = start;
  return (value) => {
    const salted = value ^ constant;
    constant = imul(constant, factor);
    return folded(imul(salted, constant));
  };
}

function mix(x: number, y: number): number {
  return folded((imul(MIX_LEFT, x) - imul(MIX_RIGHT, y)) | 0);
}

function folded(x: number): number {
  return x ^ (x >>> 16);
}

/** 32 bits at a time, the lowest first; 0 is one word. */
function wordsOf(value: bigint): number[] {
  const words = [Number(value & 0xffffffffn)];
  for (let rest = value >> 32n; rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  return words;
}
