// Writes a prompt token by token, with what could have stood there: node examples/write.mjs "a castle" [model]
import { writePrompts } from "inkling";

const [beginning = "a castle", model] = process.argv.slice(2);

for await (const event of writePrompts({ beginning, model, seed: 3, alternatives: 3 })) {
  switch (event.type) {
    case "token": {
      const others = event.alternatives.map((o) => `${JSON.stringify(o.piece)} ${(100 * o.probability).toFixed(0)} %`);
      console.log(`${JSON.stringify(event.piece)} (${(100 * event.probability).toFixed(0)} %) of ${others.join(", ")}`);
      break;
    }
    case "prompt":
      console.log(event.text);
  }
}
