import { InputError } from "../../tensor/index.ts";
import type { SchedulerOptions } from "../options.ts";
import { deis } from "../samplers/deis.ts";
import { type DpmMultistepOptions, dpmMultistep } from "../samplers/dpm-multistep.ts";
import { dpmSinglestep } from "../samplers/dpm-singlestep.ts";
import { sa } from "../samplers/sa.ts";
import { unipc } from "../samplers/unipc.ts";
import { converted, type DiffusersClass, edm, forward, inLambda, linspaced, thresholded } from "./class.ts";
import { edmLayout, type Layout, sigmaLayout } from "./layout.ts";

const dpmSolver = { solver_order: 2, algorithm_type: "dpmsolver++", solver_type: "midpoint" } as const;

/** The classes that walk sigmas at integer timesteps and step in λ, in the variance-preserving frame. */
export const lambdaClasses = {
  DPMSolverMultistepScheduler: {
    description: "DPM-Solver++ multistep (2M), and its stochastic, third-order and noise-predicting forms",
    takesTimesteps: true,
    defaults: {
      ...forward,
      ...linspaced,
      ...converted,
      ...thresholded,
      ...dpmSolver,
      lower_order_final: true,
      euler_at_final: false,
      use_lu_lambdas: false,
      final_sigmas_type: "zero",
      lambda_min_clipped: -Infinity,
      variance_type: null,
      rescale_betas_zero_snr: false,
    },
    setUp(options, steps, custom) {
      const layout = sigmaLayout(options, steps, inLambda, custom);
      return { ...layout, walk: (journey) => dpmMultistep(journey, dpmOptions(options, layout)) };
    },
  },

  DPMSolverSinglestepScheduler: {
    description: "DPM-Solver++ singlestep: orders 1 and 2 in turn",
    takesTimesteps: true,
    defaults: {
      ...forward,
      ...converted,
      ...thresholded,
      ...dpmSolver,
      lower_order_final: false,
      final_sigmas_type: "zero",
      lambda_min_clipped: -Infinity,
      variance_type: null,
    },
    setUp(options, steps, custom) {
      const layout = sigmaLayout(options, steps, inLambda, custom);
      const orders = singlestepOrders(options, layout.levels.length - 1);
      const { extrapolate, eta, solverType } = dpmOptions(options, layout);
      return {
        ...layout,
        walk: (journey, begin) => dpmSinglestep(journey, { orders: orders.slice(begin), extrapolate, eta, solverType }),
      };
    },
  },

  UniPCMultistepScheduler: {
    description: "Unified predictor-corrector: good at 5 to 20 steps",
    keepEpsilon: (options) => !options.predict_x0,
    defaults: {
      ...forward,
      ...linspaced,
      ...converted,
      ...thresholded,
      solver_order: 2,
      predict_x0: true,
      solver_type: "bh2",
      lower_order_final: true,
      disable_corrector: [],
      final_sigmas_type: "zero",
      rescale_betas_zero_snr: false,
      sigma_min: null,
      sigma_max: null,
    },
    setUp: (options, steps) => ({
      ...sigmaLayout(options, steps, { ...inLambda, repeatLast: true }),
      walk: (journey, begin) =>
        unipc(journey, {
          order: options.solver_order,
          extrapolate: options.predict_x0 ? "x0" : "epsilon",
          solverType: options.solver_type === "bh1" ? "bh1" : "bh2",
          lowerOrderFinal: options.lower_order_final,
          uncorrected: options.disable_corrector.map((step) => step - begin),
        }),
    }),
  },

  DEISMultistepScheduler: {
    description: "Diffusion exponential integrator: ε extrapolated in log sigma",
    defaults: {
      ...forward,
      ...linspaced,
      ...converted,
      ...thresholded,
      solver_order: 2,
      algorithm_type: "deis",
      solver_type: "logrho",
      lower_order_final: true,
    },
    setUp(options, steps) {
      const layout = endingAboveZero(options, steps);
      const lowerOrderFinal = options.lower_order_final && layout.levels.length - 1 < 15;
      return { ...layout, walk: (journey) => deis(journey, { order: options.solver_order, lowerOrderFinal }) };
    },
  },

  SASolverScheduler: {
    description: "Stochastic Adams predictor-corrector: noise in the middle of the walk only",
    stochastic: true,
    defaults: {
      ...forward,
      ...linspaced,
      ...converted,
      ...thresholded,
      predictor_order: 2,
      corrector_order: 2,
      algorithm_type: "data_prediction",
      lower_order_final: true,
      lambda_min_clipped: -Infinity,
      variance_type: null,
    },
    setUp: (options, steps) => ({
      ...endingAboveZero(options, steps),
      walk: (journey) =>
        sa(journey, {
          predictorOrder: options.predictor_order,
          correctorOrder: options.corrector_order,
          extrapolate: options.algorithm_type === "noise_prediction" ? "epsilon" : "x0",
          lowerOrderFinal: options.lower_order_final,
        }),
    }),
  },

  EDMDPMSolverMultistepScheduler: {
    description: "DPM-Solver++ multistep for networks trained in the EDM formulation",
    edm: true,
    defaults: {
      ...edm,
      ...thresholded,
      ...dpmSolver,
      lower_order_final: true,
      euler_at_final: false,
    },
    setUp(options, steps) {
      const layout = edmLayout(options, steps);
      return { ...layout, walk: (journey) => dpmMultistep(journey, dpmOptions(options, layout)) };
    },
  },
} as const satisfies Record<string, DiffusersClass>;

/** DEIS and SA extrapolate in log sigma and stop at the least trained one. */
function endingAboveZero(options: SchedulerOptions, steps: number): Layout {
  return sigmaLayout({ ...options, final_sigmas_type: "sigma_min" }, steps, { ...inLambda, repeatLast: true });
}

function dpmOptions(options: SchedulerOptions, { levels }: Layout): DpmMultistepOptions {
  const { algorithm_type: algorithm, final_sigmas_type: final } = options;
  const eta = algorithm.startsWith("sde-") ? 1 : 0;
  const extrapolate = algorithm === "dpmsolver" || algorithm === "sde-dpmsolver" ? "epsilon" : "x0";
  if (extrapolate === "epsilon" && final === "zero") {
    throw new InputError(`algorithm_type ${algorithm} cannot step to zero noise: set final_sigmas_type to sigma_min.`);
  }
  if (extrapolate === "epsilon" && eta > 0 && options.solver_order === 3) {
    throw new InputError(`algorithm_type ${algorithm} has no third order: set solver_order to 2.`);
  }
  return {
    order: options.solver_order,
    extrapolate,
    eta,
    solverType: options.solver_type === "heun" ? "heun" : "midpoint",
    // diffusers lowers the order only in walks shorter than 15 steps.
    lowerOrderFinal: options.lower_order_final && levels.length - 1 < 15,
    eulerAtFinal: options.euler_at_final,
    drawAtEnd: true,
    thirdOrderAsDiffusers: eta > 0,
  };
}

/** The order of each singlestep step: 1, 2 (, 3) in turn, falling at the end (diffusers' reading of Lu et al. 2022a). */
function singlestepOrders(options: SchedulerOptions, steps: number): number[] {
  const { solver_order: order, final_sigmas_type: final } = options;
  const fall = options.lower_order_final || steps % order !== 0 || final === "zero";
  const orders = Array.from({ length: steps }, (_, i) => (i % order) + 1);
  if (fall && order === 3 && steps % 3 === 0) orders.splice(-3, 3, 1, 2, 1);
  else if (fall && order === 2 && steps % 2 === 0) orders.splice(-2, 2, 1, 1);
  if (final === "zero") orders[steps - 1] = 1;
  return orders;
}
