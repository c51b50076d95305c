export { type Denoiser, type DenoiserOptions, discreteDenoiser, type EdmOptions, edmDenoiser } from "./denoiser.ts";
export * from "./guidance.ts";
export * from "./level.ts";
export * from "./noise.ts";
export type { SchedulerConfig, SchedulerOptions, WalkOptions } from "./options.ts";
export { findSampler, findSchedule, type SamplerInfo, type ScheduleInfo, samplers, schedules } from "./registry.ts";
export type { Estimate, Journey, Question, Walker } from "./sampler.ts";
export type { Schedule, ScheduleRequest } from "./schedule.ts";
export { createWalk, type Predict, type Walk, type WalkStep } from "./walk.ts";
