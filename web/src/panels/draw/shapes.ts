import type { MessageKey } from "../../i18n/i18n.ts";

export interface Shape {
  readonly name: "square" | "portrait" | "landscape";
  readonly label: MessageKey;
  readonly width: number;
  readonly height: number;
}

/** Shapes for a model that was made for pictures of this side: the long side stays, the short one is two thirds of it. */
export function shapesFor(side: number): readonly Shape[] {
  // U-Nets halve three times what the VAE has made eight times smaller.
  const short = Math.max(64, Math.round((side * 2) / 3 / 64) * 64);
  return [
    { name: "square", label: "set.square", width: side, height: side },
    { name: "portrait", label: "set.portrait", width: short, height: side },
    { name: "landscape", label: "set.landscape", width: side, height: short },
  ];
}
