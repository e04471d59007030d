"""Breaks ten runs, leaves ten alone, and asks the collapse watch; writes docs/watch.json and docs/watch.md.

Give numbers to try those alone: python tools/watch_trials.py 0 2 4
"""

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

import ganzoo
from ganzoo import config, data
from ganzoo.callbacks import CollapseWatch
from ganzoo.files import write_text
from ganzoo.progress import shown
from ganzoo.registry import variant

CLASSES = "Classes: of ten digits, or eight modes, those that 1 % or more of 1,000 samples are of at the end."
DOCS = Path(__file__).parent.parent / "docs"
BREAK = 500  # rounds before a break, and after it
FIRST_SEED = 1_000  # thresholds were chosen on runs of seeds below
SAMPLES = 1_000
INTRODUCTION = f"""# The collapse watch, tried

Twenty runs of {2 * BREAK:,} rounds, watched at the defaults of `CollapseWatch` (a look every 25 rounds, three in
succession make a verdict) with a classifier: the nearest mode on the ring of 8, the class of the nearest training
image on digits (8x8). Ten are left alone. Ten are broken on purpose after round {BREAK} and stay broken. A broken run
is caught if the first verdict comes within {BREAK} rounds of the break and none comes before. A false alarm is any
verdict in a run that is left alone, also where that run is not well by itself. Networks are small. The thresholds, the
list of breaks and the sizes were settled on runs of other seeds; these twenty were run once.
"""


@dataclasses.dataclass
class Run:
    """A game, its data, and what holds a break in place after every round, if anything must."""

    gan: ganzoo.GAN
    source: data.Examples | data.Density
    batch_size: int
    hold: Callable[[], None] = lambda: None


def started(name: str, dataset: str, seed: int) -> Run:
    """Returns a small game of a variant."""
    source = data.load(dataset)
    players = variant(name).default_networks
    if dataset == "digits":
        recipe, networks = f"{name}_digits", {player: {"width": 12} for player in players}
        return Run(config.build(recipe, image_shape=source.image_shape, networks=networks, seed=seed), source, 32)
    networks = {player: {"architecture": "mlp", "width": 128, "depth": 3} for player in players}
    extra = {"r1": {"penalty_weight": 1.0}, "wgan_gp": {"penalty_weight": 0.1}}.get(name, {})
    gan = config.build(name, image_shape=source.image_shape, networks=networks, seed=seed, latent_dim=8, **extra)
    gan.compile({"name": "adam", "learning_rate": 5e-4, "beta_1": 0.5, "beta_2": 0.9})
    return Run(gan, source, 64 if name == "wgan_gp" else 128)


# The breaks.


def faster(run: Run, player: str, factor: float) -> None:
    """Multiplies a player's learning rate."""
    rate = run.gan.optimizers[player].learning_rate
    rate.assign(factor * rate)


def fast_generator(run: Run) -> None:
    """The generator's rate x 50."""
    faster(run, "generator", 50.0)


def fast_discriminators(run: Run) -> None:
    """The discriminators' rates x 100."""
    for opponent in run.gan.opponents:
        faster(run, opponent, 100.0)


def frozen_discriminators(run: Run) -> None:
    """The discriminators no longer learn."""
    for opponent in run.gan.opponents:
        faster(run, opponent, 0.0)


def void_discriminators(run: Run) -> None:
    """The discriminators' weights held at zero."""
    weights = [w for opponent in run.gan.opponents for w in getattr(run.gan, opponent).trainable_weights]
    run.hold = lambda: [weight.assign(0.0 * weight) for weight in weights]


def deaf_generator(run: Run) -> None:
    """The generator's first kernel held at zero: latents say nothing."""
    kernel = next(weight for weight in run.gan.generator.trainable_weights if len(weight.shape) > 1)
    run.hold = lambda: kernel.assign(0.0 * kernel)


def one_class(run: Run) -> None:
    """The data reduced to one class."""
    if isinstance(run.source, data.Density):
        run.source = dataclasses.replace(run.source, modes=run.source.modes[:1])
    else:
        images = run.source.images[run.source.labels == 3]
        run.source = dataclasses.replace(run.source, images=images, labels=None)


def no_penalty(run: Run) -> None:
    """No penalty, and all rates x 10."""
    run.gan.penalty_weight = 0.0
    run.gan.make_train_function(force=True)
    for player in run.gan.players:
        faster(run, player, 10.0)


BROKEN = (
    ("dual_d_selu", "ring8", one_class),
    ("dual_d_selu", "ring8", fast_discriminators),
    ("dual_d_selu", "ring8", deaf_generator),
    ("r1", "ring8", void_discriminators),
    ("r1", "ring8", fast_generator),
    ("r1", "ring8", fast_discriminators),
    ("wgan_gp", "ring8", no_penalty),
    ("wgan_gp", "ring8", frozen_discriminators),
    ("dcgan", "digits", fast_generator),
    ("lsgan", "digits", one_class),
)
HEALTHY = tuple((name, dataset, None) for name, dataset, _ in BROKEN)


class Hold(keras.callbacks.Callback):
    """Holds a break in place.

    Args:
        run: whose break.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_train_batch_end(self, batch, logs=None):
        self.run.hold()


def nearest_label(source: data.Examples | data.Density) -> Callable[[np.ndarray], np.ndarray]:
    """Returns the classifier: the nearest mode, or the label of the nearest training image."""
    points = isinstance(source, data.Density)
    known = source.modes if points else source.images.reshape(len(source), -1).astype(float)
    labels = np.arange(len(known)) if points else source.labels

    def classify(images: np.ndarray) -> np.ndarray:
        rows = images.reshape(len(images), -1).astype(float)
        return labels[((rows**2).sum(1)[:, None] + (known**2).sum(1) - 2.0 * rows @ known.T).argmin(1)]

    return classify


def tried(name: str, dataset: str, broken: Callable[[Run], None] | None, seed: int) -> dict:
    """Returns what was said in a run."""
    keras.utils.set_random_seed(seed)
    run, said = started(name, dataset, seed), []
    classify = nearest_label(run.source)
    watch = CollapseWatch(run.source, classify=classify, say=said.append)
    for breaks in (None, broken):
        if breaks:
            breaks(run)
        run.gan.fit(
            run.source, batch_size=run.batch_size, steps_per_epoch=BREAK, verbose=0, callbacks=[Hold(run), watch]
        )
    shares = np.bincount(classify(run.gan.generate(SAMPLES, averaged=False)), minlength=8) / SAMPLES
    return {
        "variant": name,
        "dataset": dataset,
        "seed": seed,
        "break": broken.__doc__ if broken else None,
        "said": [words for words in said if not words.endswith(" is over")],
        "classes": int(sum(shares >= 0.01)),
    }


def step_of(words: str) -> int:
    """Returns the round of a verdict."""
    return int(words.removeprefix("step ").partition(":")[0].replace(",", ""))


def caught(result: dict) -> int | None:
    """Returns the round in which a broken run was caught; None if it was not, or too early."""
    return step_of(result["said"][0]) if result["said"] and step_of(result["said"][0]) > BREAK else None


def false_alarms(result: dict) -> list[str]:
    """Returns the verdicts that nothing had given reason for."""
    return [words for words in result["said"] if not result["break"] or step_of(words) <= BREAK]


def page(results: list[dict]) -> str:
    """Returns the results as a page."""
    broken = [result for result in results if result["break"]]
    healthy = [result for result in results if not result["break"]]
    seeds = [result["seed"] for result in results]
    number = sum(caught(result) is not None for result in broken)
    alarms = sum(bool(false_alarms(result)) for result in healthy)
    early = sum(bool(false_alarms(result)) for result in broken)
    lines = [
        INTRODUCTION,
        f"Seeds {min(seeds)} to {max(seeds)}. **{number} of {len(broken)} broken runs were caught; {alarms} of "
        f"{len(healthy)} runs left alone gave a false alarm**, and {early} of the broken ones before the break.\n",
        CLASSES,
        "",
        "| broken run | seed | break | classes | caught after | what it said first |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in broken:
        step = caught(result)
        cells = (
            f"`{result['variant']}` on {result['dataset']}", result["seed"], result["break"].rstrip("."),
            result["classes"], f"{step - BREAK} rounds" if step else "no",
            result["said"][0] if result["said"] else "nothing",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += [
        "",
        "| run left alone | seed | classes | what it said |",
        "| --- | --- | --- | --- |",
    ]
    for result in healthy:
        cells = (
            f"`{result['variant']}` on {result['dataset']}", result["seed"], result["classes"],
            "; ".join(result["said"]) or "nothing",
        )  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    trials, path = [*BROKEN, *HEALTHY], DOCS / "watch.json"
    numbers = [int(number) for number in sys.argv[1:]] or range(len(trials))
    for number in shown(numbers, "trials", len(numbers)):
        result = tried(*trials[number], FIRST_SEED + number)
        # Read again: other numbers may be tried by another process.
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        results = sorted([*(old for old in results if old["seed"] != result["seed"]), result], key=lambda r: r["seed"])
        write_text(path, json.dumps(results, indent=1) + "\n")
        write_text(DOCS / "watch.md", page(results))
        keras.backend.clear_session()
