"""
What diffusers draws with the embedded model, step by step: the reference that Inkling did not draw itself.

    python embedded.py         # diffusers 0.42.1, transformers 5.23.0, torch 2.12.1, safetensors 0.8

Writes embedded.safetensors beside this script. The published weights are int8 times one scale for each output; here they
are multiplied out into a temporary folder in diffusers' layout (float32 = int8 * scale), so that both programs compute with
the same numbers. DDIM as scheduler_config.json has it, 4 steps, guidance 4, 64x64 pixels, which keeps the file small.

  ids.cond, ids.uncond   what the tokenizer made of the prompt and of nothing
  initial                torch.randn from a generator of the seed, times init_noise_sigma (1)
  latents.<k>            after each step
  image                  the decoder's output in [0, 1], NHWC
  image8                 the same as diffusers writes it, 8 bits
  sde.latents, sde.image8   the end of a second run, 5 steps of DPMSolverSDEScheduler with noise_sampler_seed = seed

Tolerances as in the checkpoint fixtures: latents 1e-4 * std, image 2e-4, image8 within 1, ids exact, initial 1e-6;
sde.latents 5e-3 * std and sde.image8 within 2, because that walk asks at fractional timesteps.
"""
import os, shutil, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import torch
from safetensors.torch import load_file, save_file
from diffusers import DPMSolverSDEScheduler, StableDiffusionPipeline

MODEL = os.path.join(HERE, "..", "..", "models", "inkdrop-256")
RUN = {"prompt": "a lady with blue eyes", "seed": 10, "steps": 4, "guidance": 4.0, "size": 64}
WEIGHTS = {"text_encoder": "model", "unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model"}


def multiplied_out(path):
    stored = load_file(path)
    scales = {name + ".scale" for name in stored if name + ".scale" in stored}
    out = {}
    for name, tensor in stored.items():
        if name in scales:
            continue
        scale = stored.get(name + ".scale")
        out[name] = tensor.float() if scale is None else tensor.float() * scale.float()
    return out


@torch.no_grad()
def main():
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(MODEL, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
        for part, file in WEIGHTS.items():
            name = os.path.join(part, file + ".safetensors")
            save_file(multiplied_out(os.path.join(MODEL, name)), os.path.join(folder, name), metadata={"format": "pt"})
        pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    latents = []
    generator = torch.Generator().manual_seed(RUN["seed"])
    shape = (1, pipe.unet.config.in_channels, RUN["size"] // 8, RUN["size"] // 8)
    initial = torch.randn(shape, generator=generator)

    timesteps = []

    def keep(_, step, timestep, values):
        latents.append(values["latents"].clone())
        timesteps.append(int(timestep))
        return values

    def draw(steps):
        return pipe(RUN["prompt"], num_inference_steps=steps, guidance_scale=RUN["guidance"], height=RUN["size"],
                    width=RUN["size"], latents=initial.clone(), callback_on_step_end=keep, output_type="np").images

    def eight_bits(picture):
        return torch.from_numpy((picture * 255).round().astype("uint8")).contiguous()

    image, walked = draw(RUN["steps"]), len(latents)
    start = initial * pipe.scheduler.init_noise_sigma
    pipe.scheduler = DPMSolverSDEScheduler.from_config(pipe.scheduler.config, noise_sampler_seed=RUN["seed"])
    sde = draw(5)
    ids = [pipe.tokenizer(text, padding="max_length", max_length=77, truncation=True).input_ids for text in (RUN["prompt"], "")]
    tensors = {"ids.cond": torch.tensor(ids[:1]), "ids.uncond": torch.tensor(ids[1:]),
               "initial": start,
               **{f"latents.{k}": x for k, x in enumerate(latents[:walked])},
               "image": torch.from_numpy(image).contiguous(), "image8": eight_bits(image),
               "sde.latents": latents[-1], "sde.image8": eight_bits(sde)}
    run = {key: str(value) for key, value in RUN.items()}
    save_file(tensors, os.path.join(HERE, "embedded.safetensors"), metadata={"format": "pt", **run})
    print({name: tuple(x.shape) for name, x in tensors.items()}, timesteps)


main()
