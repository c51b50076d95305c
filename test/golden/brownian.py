"""
Golden numbers for the noise of the SDE samplers: NumPy's seed sequences, torchsde's Brownian tree as diffusers asks it, and
a whole walk of DPMSolverSDEScheduler from a seed.

    python brownian.py        # diffusers 0.42.1, torch 2.12.1, numpy 2.4, torchsde 0.2.6

Writes brownian.json beside this script. The walk's network is the exact posterior of normal data, x0 ~ N(0, 0.7^2).
Tolerances: words exact; noise 2e-6, a few units in the last place; latents 2e-5 * max(1, std) as in the scheduler fixtures.
The tree's times are a millionth apart, which is the last place of a sigma of 8 to 16. torch's square root and logarithm (of
Intel's library) round one value in five or twenty the other way, and then a stretch of the motion ends at the next time:
noise of 1e-3 is there or not. So the walks marked loose, whose levels are rounded so, are held to 2e-3 * max(1, std).
"""
import json, os, sys, warnings

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import numpy, torch
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler, DPMSolverSDEScheduler

warnings.simplefilter("ignore")
S, SHAPE = 0.7, (1, 4, 3, 2)
BASE = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def numbers(x):
    return [float(f"{v:.9g}") for v in x.flatten().tolist()]


def words():
    for entropy in (0, 10, 2 ** 31, 2 ** 32 + 5, 2 ** 53 - 1, 2 ** 64 - 1):
        for key in ((), (0, 0), (5, 3), (2 ** 33 + 7, 34)):
            state = numpy.random.SeedSequence(entropy=entropy, spawn_key=key, pool_size=24).generate_state(4).tolist()
            yield {"entropy": str(entropy), "key": list(key), "words": state}


def noises():
    # Eighths lie between two of the tree's times; the last stretch goes upwards, the one before over several at once.
    for seed, sigmas in ((10, [14.6146, 7.3, 1.1, 0.0292, 3.0]), (2 ** 32 + 5, [12.0, 6.0078125, 3.0234375, 0.0078125, 9.0]), (0, [4096.0, 157.4, 14.6, 0.03])):
        sampler = BrownianTreeNoiseSampler(torch.zeros(SHAPE), min(sigmas), max(sigmas), seed=seed)
        sigma = torch.tensor(sigmas)
        yield {"seed": seed, "sigmas": [float(f"{s:.9g}") for s in sigma.tolist()], "range": [min(sigmas), max(sigmas)],
               "noise": [numbers(sampler(a, b)) for a, b in zip(sigma, sigma[1:])]}


@torch.no_grad()
def walks():
    for seed, steps, options, loose in ((10, 6, {}, False), (11, 20, {"use_karras_sigmas": True}, False),
                                        (12, 9, {"timestep_spacing": "trailing"}, False), (13, 12, {}, True)):
        scheduler = DPMSolverSDEScheduler(**BASE, **options, noise_sampler_seed=seed)
        scheduler.set_timesteps(steps)
        initial = torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))
        x = initial * scheduler.init_noise_sigma
        rows = []
        for i, t in enumerate(scheduler.timesteps):
            first = scheduler.state_in_first_order
            sigma = scheduler.sigmas[0 if i == 0 else scheduler.step_index] if first else scheduler.mid_point_sigma
            sigma = sigma.double()
            x0 = S * S * x.double() / (S * S + sigma ** 2)
            x = scheduler.step(((x.double() - x0) / sigma).float(), t, x).prev_sample
            rows.append(numbers(x))
        yield {"seed": seed, "steps": steps, "options": options, "loose": loose, "latents": rows}


golden = {"base": BASE, "s": S, "shape": SHAPE, "words": list(words()), "noises": list(noises()), "walks": list(walks())}
with open(os.path.join(HERE, "brownian.json"), "w") as f:
    f.write(json.dumps(golden).replace('}, {', '},\n{') + "\n")
