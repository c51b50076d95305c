import sharp from "sharp";

/**
 * Many pictures as one: rows of `columns`, each picture `side` pixels wide and high, a hairline between them.
 *
 * @param {readonly { data: Uint8Array, width: number, height: number }[]} pictures RGB
 * @param {string} path ends in .jpg, .webp or .png
 */
export async function writeContactSheet(pictures, path, { columns, side, gap = 2 }) {
  const cells = await Promise.all(
    pictures.map(async ({ data, width, height }, i) => ({
      input: await sharp(data, { raw: { width, height, channels: 3 } })
        .resize(side, side)
        .png()
        .toBuffer(),
      left: (i % columns) * (side + gap),
      top: Math.floor(i / columns) * (side + gap),
    })),
  );
  const rows = Math.ceil(pictures.length / columns);
  const [width, height] = [columns, rows].map((count) => count * (side + gap) - gap);
  const paper = sharp({ create: { width, height, channels: 3, background: "white" } });
  const sheet = sharp(await paper.composite(cells).png().toBuffer());
  await (path.endsWith(".jpg") ? sheet.jpeg({ quality: 82 }) : sheet).toFile(path);
}
