"""Asks `inkling serve` for pictures by a public client of A1111's API, and looks at everything it is told.

    python check-a1111.py [MODEL]

Wants webuiapi (and with it Pillow), and this program built. A server of its own runs at a free port, with an empty folder.
"""
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path

from PIL import Image, ImageChops, ImageStat
from webuiapi import WebUIApi

PROGRAM = ["node", str(Path(__file__).parent.parent / "dist/cli/index.js")]
MODEL = sys.argv[1] if len(sys.argv) > 1 else "inkdrop-256"
PROMPT = "a lady with blue eyes"
ASKED = {"prompt": PROMPT, "seed": 42, "steps": 4, "cfg_scale": 5, "width": 256, "height": 256}

wrong = 0


def check(what, right):
    global wrong
    wrong += not right
    print(f"{'right' if right else 'WRONG'}  {what}")


def apart(a, b):
    """Mean difference of two pictures, of 255."""
    return sum(ImageStat.Stat(ImageChops.difference(a.convert("RGB"), b.convert("RGB"))).mean) / 3


def ask(client, folder):
    samplers = client.util_get_sampler_names()
    check(f"samplers: {len(samplers)}, the client's own default among them", client.default_sampler in samplers)
    check("schedulers: karras among them", "karras" in client.util_get_scheduler_names())
    models = client.util_get_model_names()
    check(f"models: {', '.join(models)}", len(models) > 0 and client.util_get_current_model() in models)

    client.set_options({"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": models[0]})
    check("options: what was set is told", client.get_options()["CLIP_stop_at_last_layers"] == 2)
    skipped = client.txt2img(**ASKED)
    client.set_options({"CLIP_stop_at_last_layers": 1})

    drawn = client.txt2img(**ASKED)
    check("txt2img: one picture of the size", [image.size for image in drawn.images] == [(256, 256)])
    check("txt2img: info has the seed", drawn.info["all_seeds"] == [42])
    check("options: what was set before was drawn with", apart(drawn.image, skipped.image) > 1)
    own = f"{folder}/own.png"
    words = ["--seed", "42", "--steps", "4", "--guidance", "5", "--sampler", client.default_sampler, "--size", "256"]
    subprocess.run([*PROGRAM, "generate", PROMPT, "--model", MODEL, *words, "-o", own], check=True, capture_output=True)
    check("txt2img: what `inkling generate` draws, pixel by pixel", apart(drawn.image, Image.open(own)) == 0)
    several = client.txt2img(**ASKED, batch_size=2, negative_prompt="blurry")
    check("txt2img: a batch counts seeds on", several.info["all_seeds"] == [42, 43] and len(several.images) == 2)

    text = client.png_info(drawn.image).info
    check("png-info: the settings inside", text == drawn.info["infotexts"][0] and "Seed: 42" in text)
    check("png-info: nothing in a picture without", client.png_info(Image.new("RGB", (8, 8))).info == "")

    near = client.img2img(images=[drawn.image], denoising_strength=0.3, **ASKED | {"seed": 7, "steps": 10}).image
    far = client.img2img(images=[drawn.image], denoising_strength=0.9, **ASKED | {"seed": 7, "steps": 10}).image
    distances = apart(near, drawn.image), apart(far, drawn.image)
    check("img2img: strength 0.3 stays nearer than 0.9, {:.1f} to {:.1f}".format(*distances), 0 < distances[0] < distances[1])
    mask = Image.new("L", (256, 256))
    mask.paste(255, (0, 0, 256, 128))
    half = client.img2img(images=[drawn.image], mask_image=mask, inpainting_fill=1, inpaint_full_res=False, mask_blur=0, **ASKED | {"seed": 7}).image
    upper, lower = [apart(half.crop(box), drawn.image.crop(box)) for box in ((0, 0, 256, 128), (0, 128, 256, 256))]
    check(f"img2img: a mask opens its half ({upper:.1f}) and keeps the other ({lower:.1f})", upper > 1 and lower == 0)

    ended = []
    waiting = threading.Thread(target=lambda: ended.append(client_of(client).txt2img(**ASKED | {"steps": 150}, n_iter=3)))
    waiting.start()
    seen = []
    while waiting.is_alive() and (not seen or seen[-1]["state"]["job_no"] == 0):
        told = client.get_progress()
        if told["progress"] > 0:
            seen.append(told)
        time.sleep(0.05)
    shares = [told["progress"] for told in seen]
    check(f"progress: it grows, {shares[0]:.2f} to {shares[-1]:.2f} in {len(shares)} answers", shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1)
    check("progress: steps, pictures and seconds left", all(
        told["state"]["sampling_steps"] == 150 and told["state"]["job_count"] == 3 and told["eta_relative"] > 0 for told in seen
    ))
    check("progress: a preview", any(told["current_image"] for told in seen))
    client.interrupt()
    waiting.join(60)
    check("interrupt: the answer comes, with the picture that was finished", [len(each.images) for each in ended] == [1])
    client.util_wait_for_ready(0.1)
    check("progress: nothing afterwards", client.get_progress()["progress"] == 0)

    try:
        client.txt2img(**ASKED, enable_hr=True)
        check("what cannot be had is refused", False)
    except RuntimeError as error:
        check(f"what cannot be had is refused: {error.args}", error.args[0] == 422)


def client_of(other):
    """Another connection to the same server: one waits while the other asks."""
    return WebUIApi(baseurl=other.baseurl)


with tempfile.TemporaryDirectory() as data:
    serving = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0", "--data", f"{data}/server", "--model", MODEL, "--log-level", "warn"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ask(WebUIApi(baseurl=f"{serving.stdout.readline().strip()}/sdapi/v1"), data)
    finally:
        serving.terminate()
        serving.wait()
print(f"{wrong} wrong" if wrong else "all right", f"by webuiapi {version('webuiapi')}, model {MODEL}")
sys.exit(wrong > 0)
