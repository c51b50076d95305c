import { lambdaClasses } from "./lambda-classes.ts";
import { sigmaClasses } from "./sigma-classes.ts";
import { timestepClasses } from "./timestep-classes.ts";

/** Every scheduler class of diffusers that is known here, under its own name. */
export const classes = { ...timestepClasses, ...sigmaClasses, ...lambdaClasses };

export type ClassName = keyof typeof classes;
