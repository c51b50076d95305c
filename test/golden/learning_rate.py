"""
Learning rates of diffusers.optimization.

    python learning_rate.py         # diffusers 0.42.1, torch 2

Writes learning_rate.json beside this script: the rate of every step, from the first one on. Tolerance 1e-12 of the highest
rate: both sides compute in float64. Also the decay of EMAModel after so many steps.
"""
import json, os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import diffusers, torch
from diffusers.optimization import get_scheduler
from diffusers.training_utils import EMAModel


def case(name, schedule, warm_up, rate=3e-4, steps=20):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=warm_up, num_training_steps=steps)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"schedule": schedule, "warmUp": warm_up, "rate": rate, "steps": steps, "rates": rates}


average = EMAModel([torch.nn.Parameter(torch.zeros(1))], decay=0.999)
with open(os.path.join(HERE, "learning_rate.json"), "w") as out:
    json.dump({
        "versions": {"diffusers": diffusers.__version__, "torch": torch.__version__},
        "cases": [
            case("constant", "constant", 0),
            case("constant_with_warmup", "constant", 4),
            case("linear", "linear", 0),
            case("linear", "linear", 3),
            case("cosine", "cosine", 0),
            case("cosine", "cosine", 5),
        ],
        "ema": [[step, average.get_decay(step)] for step in (1, 2, 3, 10, 1000, 1000000)],
    }, out, indent=1)
