"""Walks through the latents of a DRAGAN on MNIST: straight, and on the sphere (Kodali et al. 2018, figure 9)."""

import numpy as np

from ganzoo import pictures
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Game, Lab
from ganzoo.noise import slerp

WALKS = 5
FRAMES = 12
JUMP = 3.0  # times the mean change between neighbours: a larger one is no smooth transition


def walks(start: np.ndarray, end: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the latents [WALKS, FRAMES, latent_dim] from each row of `start` to that of `end`, by both roads."""
    fractions = np.linspace(0, 1, FRAMES, dtype=np.float32)
    rows, columns = np.repeat(start, FRAMES, 0), np.repeat(end, FRAMES, 0)
    share = np.tile(fractions, WALKS)
    straight = (1 - share[:, None]) * rows + share[:, None] * columns
    shape = (WALKS, FRAMES, start.shape[1])
    return {"straight": straight.reshape(shape), "sphere": slerp(rows, columns, share).numpy().reshape(shape)}


def largest_jump(images: np.ndarray) -> float:
    """Returns the largest change between neighbours [..., FRAMES, H, W, C] over the mean one of its walk."""
    changes = np.sqrt((np.diff(images, axis=1) ** 2).mean(axis=(2, 3, 4)))
    return float((changes.max(1) / np.maximum(changes.mean(1), 1e-12)).max())


@experiment(
    "k-walk",
    hours=(0.02, 0.5, 5.0),
    needs=("mnist",),
    scaled="3,000 rounds, widths of 16; CelebA, the paper's second data set, is not run",
    claims={
        "smooth": Claim(
            "Kodali et al. 2018, appendix, figure 9",
            "Walks through the latents of a DRAGAN on MNIST change smoothly.",
            f"in no walk do two neighbours of {FRAMES} differ by more than {JUMP:g} times the mean of that walk",
            "figure",
        ),
    },
)
def k_walk(lab: Lab) -> None:
    """Draws walks through the latents of a DRAGAN on MNIST."""
    steps, width = lab.choose(smoke=2, short=3_000, full=50_000), lab.choose(smoke=4, short=16, full=64)
    changes = (
        "data.dataset=mnist", "data.batch_size=64", f"train.steps={steps}", f"train.checkpoint_steps={steps}",
        f"gan.networks.generator.width={width}", f"gan.networks.discriminator.width={width}", "gan.prior=normal",
        "train.deterministic=false", "train.watch_steps=0",
        'optimizer={name = "adam", learning_rate = 2e-4, beta_1 = 0.5, beta_2 = 0.9}',
    )  # fmt: skip
    (trained,) = lab.train({"dragan": Game("dragan", changes)}, seeds=lab.seeds[:1])["dragan"]
    gan = trained.restored()
    stations = np.random.default_rng(1).normal(size=(2 * WALKS, gan.latent_dim)).astype(np.float32)
    rows, jumps = [], {}
    for road, latents in walks(stations[:WALKS], stations[WALKS:]).items():
        images = gan(latents.reshape(-1, latents.shape[-1])).numpy()
        jumps[road] = largest_jump(images.reshape(WALKS, FRAMES, *images.shape[1:]))
        rows.append({"road": road, "largest_jump": jumps[road]})
        sheet = np.clip(images * 127.5 + 127.5, 0, 255).astype(np.uint8)
        with lab.figure(road, 8.0, 8.0 * WALKS / FRAMES) as figure:
            panel = figure.add_subplot()
            panel.imshow(pictures.grid(sheet, columns=FRAMES)[..., 0], cmap="gray")
            panel.axis("off")
    lab.table("jumps", rows)
    found = "; ".join(f"{road}: {jump:.2f}" for road, jump in jumps.items())
    lab.judge("smooth", max(jumps.values()) <= JUMP if lab.budget != "smoke" else None, found)
