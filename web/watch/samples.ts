/** Samples, sheets of pictures or texts, one of them to see: the latest, until somebody asks for an earlier one. */
export interface Samples {
  add(names: readonly string[]): void;
}

export function createSamples(): Samples {
  const names: string[] = [];
  const section = byId("samples", HTMLElement);
  const slider = byId("sample", HTMLInputElement);
  const sheet = byId("sheet", HTMLImageElement);
  const texts = byId("texts", HTMLElement);
  const step = byId("sample-step", HTMLOutputElement);
  const show = async (): Promise<void> => {
    const name = names[slider.valueAsNumber];
    if (!name) return;
    const which = `step ${Number(/\d+/.exec(name))}`;
    step.value = which;
    slider.setAttribute("aria-valuetext", which);
    const isText = name.endsWith(".txt");
    [sheet.hidden, texts.hidden] = [isText, !isText];
    sheet.alt = `Samples after ${which}`;
    const address = `/samples/${name}`;
    if (isText) texts.textContent = await (await fetch(address)).text();
    else sheet.src = address;
  };
  slider.addEventListener("input", () => void show());
  return {
    add(more) {
      const atEnd = slider.valueAsNumber >= names.length - 1;
      for (const name of more) if (!names.includes(name)) names.push(name);
      section.hidden = names.length === 0;
      slider.max = `${Math.max(0, names.length - 1)}`;
      if (atEnd) slider.value = slider.max;
      void show();
    },
  };
}

/** The element of the page with this id. */
export function byId<E extends HTMLElement>(id: string, kind: abstract new () => E): E {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`The page has no "${id}".`);
  return element;
}
