import { wholeWords } from "../../text/index.ts";
import { type Dataset, isSkipped } from "./dataset.ts";

/** The same pictures, their captions with a name in front that does not stand in them. */
export function named(data: Dataset, name: string): Dataset {
  const pattern = wholeWords(name);
  const withName = (caption: string): string => (caption.search(pattern) < 0 ? `${name}, ${caption}` : caption);
  return {
    ...data,
    async at(index, visit) {
      const found = await data.at(index, visit);
      return isSkipped(found) ? found : { ...found, caption: withName(found.caption) };
    },
    identify: async (index) => JSON.stringify([name, await data.identify(index)]),
  };
}
