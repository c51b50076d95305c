import type { Skipped } from "./data/dataset.ts";

/** A run begins, or goes on. */
export interface TrainStartEvent {
  readonly type: "start";
  /** Steps that were taken before, and their number in the end. */
  readonly step: number;
  readonly steps: number;
  /** Numbers that learn. */
  readonly parameters: number;
}

/** A step was taken. */
export interface TrainStepEvent {
  readonly type: "step";
  /** Counted from 1. */
  readonly step: number;
  readonly steps: number;
  /** Before the step, the mean over its examples. */
  readonly loss: number;
  /** Of the gradient, before it was clipped. */
  readonly norm: number;
  readonly learningRate: number;
  readonly imagesPerSecond: number;
  readonly secondsLeft: number;
  /** How often the data was gone through, a fraction of the last time included. */
  readonly epoch: number;
}

/** Loss or weights were no longer finite: it goes on from an earlier state at half the rate. */
export interface RecoveredEvent {
  readonly type: "recovered";
  /** The step that failed. */
  readonly step: number;
  /** Steps that are taken at the state it went back to. */
  readonly from: number;
  /** What the learning rate is multiplied with from here on. */
  readonly rateFactor: number;
}

/** Gradients ran over in 16 bits: what this batch would have taught is left out, and the step taken with the next one. */
export interface RescaledEvent {
  readonly type: "rescaled";
  /** The step that was not taken. */
  readonly step: number;
  /** What the loss is multiplied with from here on. */
  readonly lossScale: number;
}

/** What happens while a model learns. */
export type TrainEvent =
  | TrainStartEvent
  | TrainStepEvent
  | RecoveredEvent
  | RescaledEvent
  /** A file of the data that cannot be used, each time that it is come by. */
  | ({ readonly type: "skipped" } & Skipped)
  | { readonly type: "sample"; readonly step: number; readonly paths: readonly string[] }
  | { readonly type: "checkpoint"; readonly step: number; readonly folder: string }
  /** The model was written: the last event. */
  | { readonly type: "saved"; readonly step: number; readonly folder: string };
