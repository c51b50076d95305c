import type {
  BackRequest,
  DecodeRequest,
  Encoded,
  EncodeRequest,
  ExplainedDrawing,
  ExplainedModel,
  ExplainedWords,
  NextWords,
  RunLine,
  RunRequest,
  ScoreRequest,
  Scores,
  WordsRequest,
} from "../../../../src/server/schema/index.ts";
import { type Call, sender } from "../../api/call.ts";

/** What the explanations ask of the server. Each throws an ApiError. */
const send = sender((...call) => fetch(...call));
const asked = async <T>(path: string, call?: Call): Promise<T> => (await send(path, call)).json() as Promise<T>;

export const ask = {
  model: (model: string | undefined, signal: AbortSignal) =>
    asked<ExplainedModel>("/api/explain/model", { query: { model }, signal }),
  drawing: (index: number, signal: AbortSignal) =>
    asked<ExplainedDrawing>(`/api/explain/drawings/${index}`, { signal }),
  encode: (request: EncodeRequest, signal: AbortSignal) =>
    asked<Encoded>("/api/explain/encode", { json: request, signal }),
  decode: async (request: DecodeRequest, signal: AbortSignal) =>
    (await send("/api/explain/decode", { json: request, signal })).blob(),
  words: (request: WordsRequest, signal: AbortSignal) =>
    asked<ExplainedWords>("/api/explain/words", { json: request, signal }),
  next: (text: string, signal: AbortSignal) => asked<NextWords>("/api/explain/next", { json: { text }, signal }),
  score: (request: ScoreRequest, signal: AbortSignal) => asked<Scores>("/api/score", { json: request, signal }),
  run: (request: RunRequest, signal: AbortSignal) => lines("/api/explain/run", { json: request, signal }),
  back: (request: BackRequest, signal: AbortSignal) => lines("/api/explain/back", { json: request, signal }),
};

/** The lines of a run, as they come. */
async function* lines(path: string, call: Call): AsyncGenerator<RunLine, void, void> {
  const { body } = await send(path, call);
  let rest = "";
  for await (const text of body!.pipeThrough(new TextDecoderStream())) {
    const found = (rest + text).split("\n");
    rest = found.pop()!;
    for (const line of found) if (line.startsWith("data: ")) yield JSON.parse(line.slice(6)) as RunLine;
  }
}
