/** Whether a point is in a shape that lies around the origin and reaches 1 at most; y points down. */
type Inside = (x: number, y: number) => boolean;

/** How far the inner corners of a star are from its middle. */
const NOTCH = 0.42;

export const forms = {
  circle: (x, y) => x * x + y * y <= 1,
  square: (x, y) => Math.max(Math.abs(x), Math.abs(y)) <= 0.86,
  triangle: (x, y) => y <= 0.8 && Math.abs(x) <= (y + 1) / 1.8,
  star: (x, y) => {
    // Folded into the tenth between a point and a notch beside it.
    const tenth = Math.PI / 5;
    const turn = Math.abs(((Math.atan2(x, -y) + 11 * tenth) % (2 * tenth)) + 0 - tenth);
    const [along, aside] = [Math.hypot(x, y) * Math.cos(turn), Math.hypot(x, y) * Math.sin(turn)];
    const [u, v] = [NOTCH * Math.cos(tenth), NOTCH * Math.sin(tenth)];
    return (1 - u) * aside <= v * (1 - along);
  },
  cross: (x, y) => Math.min(Math.abs(x), Math.abs(y)) <= 0.34 && Math.max(Math.abs(x), Math.abs(y)) <= 1,
  ring: (x, y) => x * x + y * y <= 1 && x * x + y * y >= 0.3,
} as const satisfies Record<string, Inside>;

export type Form = keyof typeof forms;

/** Samples a pixel's side. */
const FINE = 4;

/** Where a shape lies, in pixels: its middle and how far it reaches. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly reach: number;
}

/** How much of each pixel of a `size`² picture a shape covers, 0–1, rows from the top. */
export function coverage(form: Form, { x, y, reach }: Place, size: number): Float32Array {
  const inside: Inside = forms[form];
  const covered = new Float32Array(size * size);
  const range = (middle: number): [number, number] => [
    Math.max(0, Math.floor(middle - reach)),
    Math.min(size, Math.ceil(middle + reach)),
  ];
  const [[left, right], [top, bottom]] = [range(x), range(y)];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      let hits = 0;
      for (let k = 0; k < FINE * FINE; k++) {
        const u = column + ((k % FINE) + 0.5) / FINE;
        const v = row + (Math.floor(k / FINE) + 0.5) / FINE;
        if (inside((u - x) / reach, (v - y) / reach)) hits++;
      }
      covered[row * size + column] = hits / FINE ** 2;
    }
  }
  return covered;
}
