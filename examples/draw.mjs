// Draws one picture, telling how far it is: node examples/draw.mjs "a lady with blue eyes" lady.png [model]
import { load } from "inkling";
import { encodePicture, saveBytes, writeInfotext } from "inkling/image";

const [prompt = "a lady with blue eyes", file = "lady.png", model] = process.argv.slice(2);
const inkling = await load(model, { onNote: console.warn });

for await (const event of inkling.progress({ prompt, seed: 42, steps: 10 })) {
  switch (event.type) {
    case "model":
      console.log(`${event.model} on ${event.device}, loaded in ${event.seconds.toFixed(1)} s`);
      break;
    case "step":
      console.log(`call ${event.call + 1} of ${event.calls} at noise level ${event.sigma.toFixed(3)}`);
      break;
    case "image":
      // The settings go into the file, so that inkling --from lady.png draws it again.
      await saveBytes(file, await encodePicture(event.image, "png", writeInfotext(event.settings)), {
        overwrite: true,
      });
      console.log(`${file}, drawn in ${event.seconds.toFixed(1)} s`);
  }
}
await inkling.close();
