"""
Golden numbers for what the fixtures have no reference for: the web UI's noise schedules over Stable Diffusion's table, and
whole walks of k-diffusion's samplers over them, timesteps looked up by k-diffusion's own wrappers.

    python webui.py --k-diffusion DIR --webui FILE

DIR: a checkout of crowsonkb/k-diffusion (made with 4601bf085320592473f681a62808ed873d17fad5). FILE: the web UI's
modules/sd_schedulers.py, whose schedule functions are taken out by name (made with version 1.10's). Made with torch 2.12.1,
numpy 2.4, scipy 1.17.1. Writes webui.json beside this script.

The network is the exact posterior of normal data, x0 ~ N(mu, 0.7^2) elementwise, at the fractional timestep it is told.
Tolerances: sigmas 1e-5 relative (float32 against double), timesteps 1e-4 relative, latents 2e-5 * max(1, std), as the
scheduler fixtures have them and for their reasons.
"""
import argparse, ast, importlib.util, inspect, json, math, os, sys, types
import numpy as np
import torch
from scipy import stats

S = 0.7
SIZE, STEPS = 8, 7
# name: function, schedule of "Automatic", whether the sigma before the final zero is dropped (web UI 1.9 and later)
SAMPLERS = {
    "Euler": ("euler", "Uniform", False),
    "Euler a": ("euler_ancestral", "Uniform", False),
    "Heun": ("heun", "Uniform", False),
    "LMS": ("lms", "Uniform", False),
    "DPM2": ("dpm_2", "Karras", True),
    "DPM2 a": ("dpm_2_ancestral", "Karras", True),
    "DPM++ 2S a": ("dpmpp_2s_ancestral", "Karras", False),
    "DPM++ 2M": ("dpmpp_2m", "Karras", False),
    "DPM++ SDE": ("dpmpp_sde", "Karras", False),
    "DPM++ 2M SDE": ("dpmpp_2m_sde", "Exponential", False),
    "DPM++ 2M SDE Heun": ("dpmpp_2m_sde", "Exponential", False),
    "DPM++ 3M SDE": ("dpmpp_3m_sde", "Exponential", True),
    "DPM fast": ("dpm_fast", "Uniform", False),
    "DPM adaptive": ("dpm_adaptive", "Uniform", False),
}
SCHEDULES = {
    "Uniform": "uniform",
    "SGM Uniform": "sgm_uniform",
    "Simple": "simple_scheduler",
    "Align Your Steps": "get_align_your_steps_sigmas",
    "Beta": "beta_scheduler",
}


def k_diffusion(folder):
    """sampling.py and external.py without the parts of their package that need more packages."""
    package = types.ModuleType("kd")
    package.__path__ = []
    utils = types.ModuleType("kd.utils")
    utils.append_dims = lambda x, d: x[(...,) + (None,) * (d - x.ndim)]
    package.utils = utils
    for name in ("torchdiffeq", "torchsde"):
        sys.modules.setdefault(name, types.ModuleType(name)).odeint = None
    sys.modules.update({"kd": package, "kd.utils": utils})
    for name in ("sampling", "external"):
        spec = importlib.util.spec_from_file_location(f"kd.{name}", os.path.join(folder, "k_diffusion", f"{name}.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules[f"kd.{name}"] = module
        setattr(package, name, module)
        spec.loader.exec_module(module)
    return package


def schedules(file, kd):
    """The schedule functions of the web UI, by label."""
    tree = ast.parse(open(file).read())
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in SCHEDULES.values()]
    shared = types.SimpleNamespace(
        sd_model=types.SimpleNamespace(is_sdxl=False), opts=types.SimpleNamespace(beta_dist_alpha=0.6, beta_dist_beta=0.6)
    )
    scope = {"torch": torch, "np": np, "stats": stats, "shared": shared}
    exec(compile(tree, file, "exec"), scope)
    found = {label: scope[name] for label, name in SCHEDULES.items()}
    found["Karras"] = kd.sampling.get_sigmas_karras
    found["Exponential"] = kd.sampling.get_sigmas_exponential
    found["Polyexponential"] = kd.sampling.get_sigmas_polyexponential
    return found


def network(cumprod, mu, kind, asked):
    log_sigma = 0.5 * torch.log((1 - cumprod) / cumprod)

    def predict(x, t):
        t = float(t[0])
        asked.append(t)
        i = min(int(math.floor(t)), len(cumprod) - 2)
        a = 1 / (1 + torch.exp(2 * (log_sigma[i] + (t - i) * (log_sigma[i + 1] - log_sigma[i]))))
        x = x.double()
        x0 = (mu * (1 - a) + S * S * a.sqrt() * x) / ((1 - a) + S * S * a)
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        return (eps if kind == "epsilon" else a.sqrt() * eps - (1 - a).sqrt() * x0).float()

    return predict


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--k-diffusion", required=True)
    parser.add_argument("--webui", required=True)
    args = parser.parse_args()
    kd = k_diffusion(args.k_diffusion)
    named = schedules(args.webui, kd)
    config = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    cumprod = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)
    generator = torch.Generator().manual_seed(3)
    mu = torch.randn(SIZE, generator=generator).double() * 0.8
    initial = torch.randn(1, SIZE, generator=generator)
    rows = torch.randn(40, SIZE, generator=generator)

    def sigmas_of(label, n, wrapper):
        low, high = wrapper.sigmas[0].item(), wrapper.sigmas[-1].item()
        keywords = {"n": n, "sigma_min": low, "sigma_max": high, "device": "cpu"}
        if "inner_model" in inspect.signature(named[label]).parameters:
            keywords["inner_model"] = wrapper
        return named[label](**keywords)

    plain = kd.external.DiscreteEpsDDPMDenoiser(None, cumprod, False)
    tables = [
        {"schedule": label, "steps": n, "sigmas": sigmas_of(label, n, plain).tolist()}
        for label in named
        for n in (1, 4, 10, 11, 25)
        if n > 1 or label in ("Uniform", "Simple", "Karras")
    ]

    walks = []
    for name, (function, default, drops) in SAMPLERS.items():
        for label in (default, "Beta"):
            for kind in ("epsilon", "v_prediction"):
                asked, draws = [], iter(rows)
                wrap = kd.external.DiscreteEpsDDPMDenoiser if kind == "epsilon" else kd.external.DiscreteVDDPMDenoiser
                wrapper = wrap(network(cumprod.double(), mu, kind, asked), cumprod, False)
                take = lambda *_: next(draws)[None].clone()
                sigmas = sigmas_of(label, STEPS + drops, wrapper)
                if drops:
                    sigmas = torch.cat([sigmas[:-2], sigmas[-1:]])
                sample = getattr(kd.sampling, f"sample_{function}")
                known = inspect.signature(sample).parameters
                keywords = {"disable": True}
                if "noise_sampler" in known:
                    keywords["noise_sampler"] = take
                if "solver_type" in known and name.endswith("Heun"):
                    keywords["solver_type"] = "heun"
                if "eta" in known:
                    keywords["eta"] = 1.0
                if "sigmas" in known:
                    keywords["sigmas"] = sigmas
                else:
                    keywords.update(sigma_min=wrapper.sigmas[0].item(), sigma_max=wrapper.sigmas[-1].item())
                    if label != default:
                        continue
                if "n" in known:
                    keywords["n"] = STEPS
                original = torch.randn_like
                torch.randn_like = take
                try:
                    final = sample(wrapper, initial * sigmas[0], **keywords)
                finally:
                    torch.randn_like = original
                walks.append({
                    "sampler": name, "schedule": label, "steps": STEPS, "prediction_type": kind, "sigmas": sigmas.tolist(),
                    "timesteps": asked, "latents": final[0].tolist(),
                })

    golden = {
        "config": config, "s": S, "mu": mu.tolist(), "initial": initial[0].tolist(), "noise": rows.tolist(),
        "schedules": tables, "walks": walks,
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "webui.json"), "w") as f:
        f.write(json.dumps(golden).replace('}, {"s', '},\n{"s') + "\n")


main()
