import { describe, expect, test } from "vitest";
import { drawText } from "../../src/image/draw-text.ts";
import { contactSheet, type Picture, pictureForSheet } from "../../src/image/index.ts";

const plain = (width: number, height: number, value: number): Picture => ({
  width,
  height,
  data: new Uint8Array(3 * width * height).fill(value),
});
const at = ({ width, data }: Picture, x: number, y: number) => data[3 * (y * width + x)];

describe("a contact sheet", () => {
  test("lays pictures in rows, a little wider than high, with few places empty", async () => {
    const shapes = await Promise.all(
      [1, 2, 3, 4, 5, 6, 8, 10].map(async (count) => {
        const { width, height } = await contactSheet(Array(count).fill({ picture: plain(32, 32, 9) }));
        return [count, (width - 8) / 40, (height - 8) / 40];
      }),
    );
    expect(shapes).toEqual([
      [1, 1, 1],
      [2, 2, 1],
      [3, 3, 1],
      [4, 2, 2],
      [5, 3, 2],
      [6, 3, 2],
      [8, 4, 2],
      [10, 5, 2],
    ]);
  });

  test("shows each picture as it is, smaller ones in the middle of their places", async () => {
    const sheet = await contactSheet([{ picture: plain(32, 16, 10) }, { picture: plain(16, 32, 20) }], { columns: 2 });
    expect([sheet.width, sheet.height]).toEqual([88, 48]);
    expect([at(sheet, 8, 24), at(sheet, 39, 39), at(sheet, 8, 23), at(sheet, 40, 30)]).toEqual([10, 10, 250, 250]);
    expect([at(sheet, 56, 8), at(sheet, 71, 39), at(sheet, 55, 20), at(sheet, 72, 20)]).toEqual([20, 20, 250, 250]);
  });

  test("has captions under the pictures, of four lines at most", async () => {
    const picture = plain(256, 64, 0);
    const high = async (caption: string) => (await contactSheet([{ picture, caption }])).height;
    const none = await high("");
    const [one, two, many] = [await high("a cat"), await high("a cat ".repeat(8)), await high("a cat ".repeat(200))];
    expect(one).toBeGreaterThan(none + 10);
    expect(two).toBeGreaterThan(one + 10);
    expect(many).toBeLessThanOrEqual(none + 9 + 4 * 18);
    const sheet = await contactSheet([{ picture, caption: "a cat" }]);
    const below = sheet.data.subarray(3 * sheet.width * (16 + 64 + 4));
    expect(Math.min(...below)).toBeLessThan(100);
  });

  test("shrinks what is large", async () => {
    const large = await pictureForSheet(plain(1024, 512, 7), 4);
    expect([large.width, large.height, at(large, 5, 5)]).toEqual([512, 256, 7]);
    const sheet = await contactSheet([{ picture: plain(1024, 512, 7) }]);
    expect([sheet.width, sheet.height]).toEqual([512 + 64, 256 + 64]);
    await expect(contactSheet([])).rejects.toThrow(RangeError);
  });
});

describe("text", () => {
  test("is drawn with the font of the package: letters differ, markup is text", async () => {
    const ink = async (text: string) => (await drawText(text, { width: 300, size: 14, lines: 2 }))!;
    const [a, b] = [await ink("iiii"), await ink("wwww")];
    // A missing font gives boxes of one width.
    expect(b.width).toBeGreaterThan(2 * a.width);
    expect((await ink("<b>x & y</b>")).width).toBeGreaterThan((await ink("x & y")).width + 30);
    expect(await drawText(" \n\x07", { width: 300, size: 14, lines: 2 })).toBeUndefined();
  });

  test("ends in an ellipsis where it is too long, even of one word", async () => {
    const two = { width: 120, size: 14, lines: 2 };
    const long = (await drawText("word ".repeat(50), two))!;
    const short = (await drawText("word word", two))!;
    expect(long.height).toBeGreaterThan(short.height);
    expect(long.height).toBeLessThan(40);
    expect((await drawText("w".repeat(500), two))!.height).toBeLessThan(40);
  });
});
