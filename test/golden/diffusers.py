"""
Golden numbers for corners of diffusers' schedulers that the fixtures leave out: one to three steps, many steps at every
order, lists of timesteps, image-to-image beginnings, other betas, rarer options.

    python diffusers.py        # diffusers 0.42.1, torch 2.12.1, numpy 2.4, scipy 1.17.1

Writes diffusers.json beside this script. The network is the exact posterior of normal data, x0 ~ N(mu, 0.7^2)
elementwise, at the timestep it is told; noise comes from `noise`, row by row, in place of every generator. Tolerances as
in the scheduler fixtures: timesteps 1e-4 relative, sigmas 1e-5 relative, latents 2e-5 * max(1, std).
"""
import inspect, json, math, os, sys

# This script is called diffusers.py too.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
import importlib, types
import diffusers
import torch

sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))  # its Brownian tree is replaced by stored noise

S, SIZE = 0.7, 8
BASE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1,
        "set_alpha_to_one": False, "clip_sample": False, "skip_prk_steps": True}
CLASSES = ["DDIM", "DDPM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "KDPM2Discrete",
           "KDPM2AncestralDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep", "DPMSolverSDE", "UniPCMultistep",
           "DEISMultistep", "SASolver", "LCM", "TCD"]
MULTI = "DPMSolverMultistepScheduler"
LIST = [980, 700, 500, 250, 20]


def cases():
    def case(name, options=None, **more):
        return {"class": name, "options": options or {}, **more}

    for name in CLASSES:
        for steps in (1, 2, 3):
            for spacing in ("leading", "trailing"):
                yield case(name + "Scheduler", {"timestep_spacing": spacing}, steps=steps)
        yield case(name + "Scheduler", {"timestep_spacing": "trailing"}, steps=7)
        yield case(name + "Scheduler", {"timestep_spacing": "linspace"}, steps=48)
    for name in ("DDIM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "KDPM2Discrete",
                 "DPMSolverMultistep", "UniPCMultistep", "DEISMultistep"):
        if name != "LMSDiscrete":  # begins with coefficients for slopes that it has not seen
            yield case(name + "Scheduler", {"timestep_spacing": "leading"}, steps=10, begin=4)
    for name in ("DDPM", "EulerDiscrete", "HeunDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep", "LCM", "TCD"):
        yield case(name + "Scheduler", timesteps=LIST)
    for order in (1, 2, 3):
        for algorithm, final in (("dpmsolver++", "zero"), ("dpmsolver", "sigma_min"), ("sde-dpmsolver++", "zero")):
            for solver in ("midpoint", "heun"):
                options = {"solver_order": order, "algorithm_type": algorithm, "final_sigmas_type": final, "solver_type": solver}
                yield case(MULTI, options, steps=20)
                yield case("DPMSolverSinglestepScheduler", options, steps=9)
                yield case("DPMSolverSinglestepScheduler", {**options, "lower_order_final": True}, steps=8)
        yield case("UniPCMultistepScheduler", {"solver_order": order, "solver_type": "bh1", "final_sigmas_type": "sigma_min"}, steps=20)
        yield case("UniPCMultistepScheduler", {"solver_order": order, "predict_x0": False, "final_sigmas_type": "sigma_min"}, steps=20)
        yield case("SASolverScheduler", {"predictor_order": order, "corrector_order": order}, steps=12)
        yield case("SASolverScheduler", {"predictor_order": order, "corrector_order": 4 - order, "algorithm_type": "noise_prediction"}, steps=12)
    for beta in ("linear", "squaredcos_cap_v2"):
        for karras in (False, True):
            for name in ("EulerDiscreteScheduler", MULTI, "UniPCMultistepScheduler", "HeunDiscreteScheduler", "DDIMScheduler"):
                yield case(name, {"beta_schedule": beta, "use_karras_sigmas": karras, "prediction_type": "v_prediction"}, steps=8)
    yield case("HeunDiscreteScheduler", {"beta_schedule": "exp", "clip_sample": True}, steps=8)
    yield case("DDPMScheduler", {"beta_schedule": "sigmoid", "clip_sample": True}, steps=8)
    yield case(MULTI, {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1}, steps=8)
    yield case("EulerDiscreteScheduler", {"use_karras_sigmas": True, "sigma_min": 0.1, "sigma_max": 10.0}, steps=8)
    yield case("EulerDiscreteScheduler", {"trained_betas": [0.001 + 0.0002 * i for i in range(100)], "num_train_timesteps": 100}, steps=8)
    yield case("PNDMScheduler", {"skip_prk_steps": False, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}, steps=7)
    yield case("DDIMScheduler", {"clip_sample": True, "eta": 1.0}, steps=8)
    yield case("TCDScheduler", {"eta": 1.0}, steps=8)
    yield case("LCMScheduler", {"original_inference_steps": 100}, steps=12)
    for name in ("DPMSolverMultistep", "UniPCMultistep", "DEISMultistep", "SASolver"):
        for spacing in ("linspace", "trailing", "leading"):  # as many steps as timesteps: only "trailing" ends in numbers
            yield case(name + "Scheduler", {"timestep_spacing": spacing, "num_train_timesteps": 20}, steps=20)
    yield case("LCMScheduler", {"original_inference_steps": 2000}, steps=4)
    yield case("TCDScheduler", {"original_inference_steps": 2000}, steps=4)


class Noise:
    def __init__(self, rows):
        self.rows, self.k = rows, 0

    def __call__(self, *args, **kwargs):
        self.k += 1
        return self.rows[self.k - 1][None].clone()


def abar(cumprod, t):
    t = min(max(float(t), 0.0), len(cumprod) - 1.0)
    i = min(int(t), len(cumprod) - 2)
    if t == int(t):
        return cumprod[int(t)]
    low, high = (0.5 * torch.log((1 - cumprod[k]) / cumprod[k]) for k in (i, i + 1))
    return 1 / (1 + torch.exp(2 * (low + (t - i) * (high - low))))


@torch.no_grad()
def run(cls, case, mu, initial, noise):
    known = inspect.signature(cls.__init__).parameters
    options = {**BASE, **case["options"]}
    scheduler = cls(**{k: v for k, v in options.items() if k in known})
    noise.k = 0
    if "timesteps" in case:
        scheduler.set_timesteps(timesteps=case["timesteps"])
    else:
        scheduler.set_timesteps(case["steps"])
    steps, begin = scheduler.timesteps, case.get("begin", 0) * scheduler.order
    if begin:
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(begin)
        x = scheduler.add_noise(mu.float(), initial, steps[begin:begin + 1])
    else:
        x = initial * scheduler.init_noise_sigma
    cumprod = scheduler.alphas_cumprod.double()
    kind = options.get("prediction_type", "epsilon")
    arguments = {"eta": options["eta"]} if "eta" in options else {"eta": 0.3} if "TCD" in case["class"] else {}
    rows = []
    for t in steps[begin:]:
        a, seen = abar(cumprod, t), scheduler.scale_model_input(x, t).double()
        x0 = (mu * (1 - a) + S * S * a.sqrt() * seen) / ((1 - a) + S * S * a)
        eps = (seen - a.sqrt() * x0) / (1 - a).sqrt()
        out = (eps if kind == "epsilon" else a.sqrt() * eps - (1 - a).sqrt() * x0).float()
        x = scheduler.step(out, t, x, **arguments).prev_sample
        rows.append([float(f"{v:.8g}") for v in x[0].tolist()])
    if not all(math.isfinite(v) for v in rows[-1]):
        raise FloatingPointError("result not finite")
    return {**case, "timesteps_walked": steps[begin:].tolist(), "latents": rows if len(rows) < 9 else rows[-1:], "draws": noise.k}


def main():
    generator = torch.Generator().manual_seed(5)
    mu = torch.randn(1, SIZE, generator=generator).double() * 0.8
    initial = torch.randn(1, SIZE, generator=generator)
    rows = torch.randn(120, SIZE, generator=generator)
    noise = Noise(rows)
    sde = importlib.import_module("diffusers.schedulers.scheduling_dpmsolver_sde")
    sde.BrownianTreeNoiseSampler = lambda *a, **k: noise
    classes = {name + "Scheduler": getattr(diffusers, name + "Scheduler") for name in CLASSES if name != "DPMSolverSDE"}
    classes["DPMSolverSDEScheduler"] = sde.DPMSolverSDEScheduler
    for cls in classes.values():
        module = sys.modules[cls.__module__]
        if hasattr(module, "randn_tensor"):
            module.randn_tensor = noise
    done, refused = [], []
    for case in cases():
        try:
            done.append(run(classes[case["class"]], case, mu, initial, noise))
        except Exception as error:
            refused.append({**case, "error": f"{type(error).__name__}: {str(error)[:120]}"})
    golden = {"base": BASE, "s": S, "mu": mu[0].tolist(), "initial": initial[0].tolist(), "noise": rows.tolist(), "cases": done,
              "refused": refused}
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "diffusers.json"), "w") as f:
        f.write(json.dumps(golden).replace('}, {"class"', '},\n{"class"') + "\n")
    print(len(done), "cases")
    for case in refused:
        print(case)


diffusers.logging.set_verbosity_error()
main()
