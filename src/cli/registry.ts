import type { Command } from "commander";
import type { Cli } from "./cli.ts";
import { bench } from "./commands/bench.ts";
import { caption } from "./commands/caption.ts";
import { dataset } from "./commands/dataset.ts";
import { doctor } from "./commands/doctor.ts";
import { dream } from "./commands/dream.ts";
import { explain } from "./commands/explain.ts";
import { generate } from "./commands/generate.ts";
import { goals } from "./commands/goals.ts";
import { info } from "./commands/info.ts";
import { models } from "./commands/models.ts";
import { rank } from "./commands/rank.ts";
import { samplers } from "./commands/samplers.ts";
import { score } from "./commands/score.ts";
import { search } from "./commands/search.ts";
import { serve } from "./commands/serve.ts";
import { studio } from "./commands/studio.ts";
import { trace } from "./commands/trace.ts";
import { train } from "./commands/train.ts";
import { tune } from "./commands/tune.ts";
import { vary } from "./commands/vary.ts";
import { worker } from "./commands/worker.ts";
import { write } from "./commands/write.ts";

/** Gives a command its words, options and action. Loads nothing heavy: the action does, when it runs. */
export type Define = (command: Command, cli: Cli) => void;

export const commands: Readonly<Record<string, Define>> = {
  generate,
  write,
  dream,
  score,
  rank,
  search,
  caption,
  vary,
  studio,
  serve,
  worker,
  explain,
  dataset,
  info,
  goals,
  samplers,
  models,
  doctor,
  train,
  tune,
  trace,
  bench,
};

/** The command that is meant where none is named. */
export const DEFAULT = "generate";
