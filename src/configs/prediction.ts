/** What a network predicts: the noise, the velocity (Salimans & Ho 2022), or the picture itself. */
export type PredictionType = "epsilon" | "v_prediction" | "sample";

export const predictionTypes: readonly PredictionType[] = ["epsilon", "v_prediction", "sample"];
