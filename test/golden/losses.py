"""
What PyTorch computes of losses that the training fixtures do not hold: the reference for a captioner's, and for a VAE's with a
discriminator.

    python losses.py           # torch 2.12.1, diffusers 0.42.1, transformers 5.23.0, safetensors 0.8

Writes losses.safetensors beside this script. It begins with the models of ../fixtures/training.

  captioner.*   a mapping network (ClipCap's MLP of two layers) before the fixtures' GPT-2: its weights, a batch, the loss (cross-entropy
                with ignore_index, on captions alone), every gradient; the losses of three steps of AdamW (lr 1e-3, decay 1e-2, clipped to
                norm 1), of all weights and of the mapping network alone
  vae.*         the fixtures' VAE judged by NLayerDiscriminator (CompVis/taming-transformers, written down here): a batch, the
                generator's loss as LDM's LPIPSWithDiscriminator has it, without LPIPS (L1 added up over a picture, 1e-6 KL, adaptive
                weight times 0.5) and its gradients, the discriminator's hinge loss and of its gradients norm and first values. Its
                weights are drawn with seed 5 as weights_init says, in the order of its modules.

Tolerances: losses 1e-5 relative, gradients 1e-4 of the largest, as the fixtures' own.
"""
import os, sys

HERE = os.path.dirname(os.path.abspath(__file__))
# Beside this script lies another one called diffusers.py.
sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

FIXTURES = os.path.join(HERE, "..", "fixtures", "training")
FIRST = 32


def captioner(out):
    random = torch.Generator().manual_seed(3)
    config = GPT2Config.from_pretrained(os.path.join(FIXTURES, "gpt2"), attn_pdrop=0, embd_pdrop=0, resid_pdrop=0)
    width, tokens, hidden, scale = 12, 4, 20, 3.0
    shapes = {"fc1.weight": (hidden, width), "fc1.bias": (hidden,), "fc2.weight": (tokens * config.n_embd, hidden), "fc2.bias": (tokens * config.n_embd,)}
    mapping = {name: 0.2 * torch.randn(shape, generator=random) for name, shape in shapes.items()}
    pictures = F.normalize(torch.randn((3, width), generator=random), dim=-1)
    end, longest = config.eos_token_id, 10
    lengths = [10, 7, 4]
    ids = torch.full((3, longest), end)
    for row, length in enumerate(lengths):
        ids[row, 1 : length - 1] = torch.randint(0, end, (length - 2,), generator=random)
    told = ids.clone()
    for row, length in enumerate(lengths):
        told[row, length:] = -100

    def begin():
        gpt2 = GPT2LMHeadModel(config)
        stored = {f"transformer.{name}": value for name, value in load_file(os.path.join(FIXTURES, "gpt2", "model.safetensors")).items()}
        missing, unexpected = gpt2.load_state_dict(stored, strict=False)
        assert set(missing) <= {"lm_head.weight"} and not unexpected, (missing, unexpected)
        gpt2.tie_weights()
        return gpt2.train(), {name: value.clone().requires_grad_() for name, value in mapping.items()}

    def loss_of(gpt2, mlp):
        prefix = F.linear(torch.tanh(F.linear(scale * pictures, mlp["fc1.weight"], mlp["fc1.bias"])), mlp["fc2.weight"], mlp["fc2.bias"])
        seen = torch.cat([prefix.view(3, tokens, config.n_embd), gpt2.transformer.wte(ids)], dim=1)
        logits = gpt2(inputs_embeds=seen).logits[:, tokens:-1]
        return F.cross_entropy(logits.reshape(-1, config.vocab_size), told[:, 1:].reshape(-1), ignore_index=-100)

    gpt2, mlp = begin()
    loss = loss_of(gpt2, mlp)
    loss.backward()
    out |= {f"captioner.{name}": value for name, value in {"pictures": pictures, "ids": ids, "lengths": torch.tensor(lengths), "loss": loss}.items()}
    for name, value in mlp.items():
        out |= {f"captioner.weights.{name}": value, f"captioner.grad.prefix.{name}": value.grad}
    for name, value in gpt2.transformer.named_parameters():
        out[f"captioner.grad.gpt2.{name}"] = value.grad
    for kind in ("all", "mapping"):
        gpt2, mlp = begin()
        learns = [*mlp.values(), *(gpt2.parameters() if kind == "all" else [])]
        optimizer = torch.optim.AdamW(learns, lr=1e-3, weight_decay=1e-2)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = loss_of(gpt2, mlp)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learns, 1.0)
            optimizer.step()
            losses.append(loss.detach())
        out[f"captioner.losses.{kind}"] = torch.stack(losses)


def discriminator(random):
    """taming.modules.discriminator.model.NLayerDiscriminator(n_layers=3, ndf=64) and its weights_init."""
    layers = [nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2, False)]
    for before, after, stride in ((64, 128, 2), (128, 256, 2), (256, 512, 1)):
        layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2, False)]
    main = nn.Sequential(*layers, nn.Conv2d(512, 1, 4, 1, 1))
    with torch.no_grad():
        for module in main:
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(0.02 * torch.randn(module.weight.shape, generator=random))
                if module.bias is not None:
                    bound = module.weight[0].numel() ** -0.5
                    module.bias.copy_((2 * torch.rand(module.bias.shape, generator=random) - 1) * bound)
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.copy_(1 + 0.02 * torch.randn(module.weight.shape, generator=random))
    return main.train()


def vae(out):
    random = torch.Generator().manual_seed(5)
    judge = discriminator(random)
    model = AutoencoderKL.from_pretrained(os.path.join(FIXTURES, "vae")).train()
    images = torch.rand((2, 3, 32, 32), generator=random) * 2 - 1
    noise = torch.randn((2, 4, 16, 16), generator=random)
    posterior = model.encode(images).latent_dist
    made = model.decode(posterior.mean + posterior.std * noise).sample
    error = (made - images).abs().sum() / 2
    divergence = posterior.kl().sum() / 2
    looks_real = -judge(made).mean()
    last = model.decoder.conv_out.weight
    norms = [torch.autograd.grad(of, last, retain_graph=True)[0].norm() for of in (error, looks_real)]
    weight = torch.clamp(norms[0] / (norms[1] + 1e-4), 0.0, 1e4).detach() * 0.5
    loss = error + 1e-6 * divergence + weight * looks_real
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    told = 0.5 * (F.relu(1 - judge(images)).mean() + F.relu(1 + judge(made.detach())).mean())
    opinions = torch.autograd.grad(told, list(judge.parameters()))
    out |= {"vae.images": images, "vae.noise": noise, "vae.loss": loss, "vae.told": told, "vae.weight": weight}
    for (name, _), gradient in zip(model.named_parameters(), gradients):
        out[f"vae.grad.{name}"] = gradient
    for (name, _), gradient in zip(judge.named_parameters(), opinions):
        out[f"vae.norm.discriminator.main.{name}"] = gradient.norm()
        out[f"vae.first.discriminator.main.{name}"] = gradient.flatten()[:FIRST]


def main():
    torch.set_num_threads(1)
    out = {}
    captioner(out)
    vae(out)
    save_file({name: value.detach().contiguous().clone() for name, value in out.items()}, os.path.join(HERE, "losses.safetensors"))


main()
