import type { GoalInfo } from "../../../../src/server/schema/index.ts";
import type { I18n } from "../../i18n/i18n.ts";

/** The settings that a goal sets, in a line: "25 steps · 256 × 256 · guidance in 0–60 %". */
export function goalSummary({ settings, writer }: GoalInfo, t: I18n["t"], number: I18n["number"]): string {
  const { steps, width, height, guidance, guidanceInterval, deepCache, sampler, tokenMerging } = settings;
  const percent = (share: number): string => number(share, { style: "percent" });
  return [
    steps !== undefined && t("goal.steps", { count: steps }),
    width !== undefined && height !== undefined && `${width} × ${height}`,
    guidance !== undefined && t("goal.guidance", { guidance }),
    guidanceInterval && t("goal.interval", { from: percent(guidanceInterval[0]), to: percent(guidanceInterval[1]) }),
    deepCache !== undefined && t("goal.deepCache", { n: deepCache }),
    tokenMerging !== undefined && t("goal.merging", { share: percent(tokenMerging) }),
    sampler,
    writer.temperature !== undefined && t("goal.temperature", { temperature: writer.temperature }),
    writer.maxLength !== undefined && t("goal.length", { count: writer.maxLength }),
  ]
    .filter((part) => part)
    .join(" · ");
}
