"""Walks through the latents of a DRAGAN on MNIST: straight, and on the sphere (Kodali et al. 2018, figure 9)."""

import numpy as np
from scipy.special import softmax

from ganzoo import pictures
from ganzoo.data.pixels import pixels
from ganzoo.evaluation.classifier_cache import classifier_for
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.papers import DRAGAN
from ganzoo.experiments.runs import Game
from ganzoo.noise import slerp

WALKS = 100
DRAWN = 5  # of them
FRAMES = 12
JUMP = 0.5  # of the distance between a walk's ends: more in one step is no smooth transition
GREY = (64, 192)  # levels between: in a digit few pixels, in two that lie over each other many


def walks(start: np.ndarray, end: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the latents [N, FRAMES, latent_dim] from each row [N, latent_dim] of `start` to `end`, by both roads."""
    fractions = np.linspace(0, 1, FRAMES, dtype=np.float32)
    rows, columns = np.repeat(start, FRAMES, 0), np.repeat(end, FRAMES, 0)
    share = np.tile(fractions, len(start))
    straight = (1 - share[:, None]) * rows + share[:, None] * columns
    shape = (len(start), FRAMES, start.shape[1])
    return {"straight": straight.reshape(shape), "sphere": slerp(rows, columns, share).numpy().reshape(shape)}


def largest_steps(images: np.ndarray) -> np.ndarray:
    """Returns the largest distance of neighbours in each walk [N, FRAMES, H, W, C], over that of its ends [N]."""

    def norms(differences: np.ndarray) -> np.ndarray:
        return np.sqrt((differences.astype(np.float32) ** 2).sum(axis=(-3, -2, -1)))

    images = images.astype(np.float32)
    return norms(np.diff(images, axis=1)).max(1) / np.maximum(norms(images[:, -1] - images[:, 0]), 1e-12)


def grey(images: np.ndarray) -> float:
    """Returns the share of pixels between black and white."""
    return float(((images > GREY[0]) & (images < GREY[1])).mean())


def ends_of(digits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the samples that walks start from, and those that they lead to: of another digit where one is left."""
    starts, ends, left = [], [], list(range(len(digits)))
    while len(starts) < WALKS:
        starts.append(left.pop(0))
        ends.append(next((each for each in left if digits[each] != digits[starts[-1]]), left[0]))
        left.remove(ends[-1])
    return np.array(starts), np.array(ends)


@experiment(
    "k-walk",
    hours=(0.02, 0.5, 5.0),
    needs=("mnist",),
    one_seed=True,
    differs="CelebA, the paper's second data set, is not run; optimizer, batch and widths are ours, the paper has "
    f"none; D has no batch norm; {DRAGAN}",
    scaled="3,000 rounds, widths of 16",
    claims={
        "smooth": Claim(
            "Kodali et al. 2018, section 5.1, figure 9",
            "Walks through the latents of a DRAGAN on MNIST change smoothly from one digit to another.",
            f"{WALKS} walks between two digits, by MNIST's classifier, on both roads: in at most 5 % of them are two "
            f"neighbours of {FRAMES} further apart than {JUMP:g} times the two ends (unrelated images are as far)",
            "figure",
        ),
        "digits": Claim(
            "our check beside Kodali et al. 2018, section 5.1, for signs of memory (Radford et al. 2015)",
            "The generator has learned what lies between, and does not blend what it remembers.",
            f"in the middle third of the walks the share of pixels of a level between {GREY[0]} and {GREY[1]} is "
            "nearer to that of the ends than to that in the middle of cross-fades of them, on both roads (the "
            "classifier's mean largest probability, told beside, does not tell: it is sure of cross-fades)",
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
        "train.deterministic=false", "train.watch_steps=0", "gan.ema_momentum=0.0",
        'optimizer={name = "adam", learning_rate = 2e-4, beta_1 = 0.5, beta_2 = 0.9}',
    )  # fmt: skip
    (trained,) = lab.train({"dragan": Game("dragan", changes)})["dragan"]
    gan, classifier = trained.restored(), classifier_for("mnist", (28, 28, 1), lab.data_dir)
    latents = np.random.default_rng(1).normal(size=(4 * WALKS, gan.latent_dim)).astype(np.float32)
    samples = pixels(gan(latents)).numpy()
    digits = classifier.predict(samples)[0].argmax(1)
    starts, ends = ends_of(digits)
    told = lab.told and (digits[starts] != digits[ends]).all()
    roads = {
        road: pixels(gan(along.reshape(-1, gan.latent_dim))).numpy().reshape(WALKS, FRAMES, *samples.shape[1:])
        for road, along in walks(latents[starts], latents[ends]).items()
    }
    share = np.linspace(0, 1, FRAMES).reshape(1, FRAMES, 1, 1, 1)
    fade = np.rint((1 - share) * samples[starts][:, None] + share * samples[ends][:, None]).astype(np.uint8)
    rows = []
    for road, images in {**roads, "cross-fade": fade}.items():
        middle = images[:, FRAMES // 3 : -(FRAMES // 3)].reshape(-1, *samples.shape[1:])
        sure = float(softmax(classifier.predict(middle)[0], axis=1).max(1).mean())
        steps = largest_steps(images)
        rows.append(
            {
                "road": road, "largest_step": float(np.median(steps)), "jumps": float(np.mean(steps > JUMP)),
                "grey": grey(middle), "grey_of_ends": grey(images[:, [0, -1]]), "probability": sure,
            }
        )  # fmt: skip
        with lab.figure(road, 8.0, 8.0 * DRAWN / FRAMES) as figure:
            panel = figure.add_subplot()
            shown = images[:DRAWN].reshape(-1, *samples.shape[1:])
            panel.imshow(pictures.grid(shown, columns=FRAMES)[..., 0], cmap="gray")
            panel.axis("off")
    lab.table("roads", rows)
    *own, faded = rows
    found = "; ".join(
        f"{row['road']}: {100 * row['jumps']:.0f} % (largest step {row['largest_step']:.2f}, median)" for row in own
    )
    lab.judge("smooth", max(row["jumps"] for row in own) <= 0.05 if told else None, found)
    found = "; ".join(f"{row['road']}: {100 * row['grey']:.1f} %, probability {row['probability']:.2f}" for row in rows)
    between = (faded["grey"] + faded["grey_of_ends"]) / 2
    apart = max(row["grey"] for row in own) < between if told and faded["grey_of_ends"] < faded["grey"] else None
    lab.judge("digits", apart, f"{found}; ends {100 * faded['grey_of_ends']:.1f} %")
