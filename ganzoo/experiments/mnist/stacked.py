"""Stacked MNIST, 1,000 modes to count: the protocol of Metz et al. 2017 and Lin et al. 2018."""

import math
from collections.abc import Sequence

import numpy as np

from ganzoo.evaluation.classifier_cache import classifier_for
from ganzoo.evaluation.evaluators import StackedClassifier
from ganzoo.experiments.averages import by_name
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.mnist.measures import sample_scores
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import SEEDWISE, ahead, said

SAMPLES = 26_000  # as Lin et al.; real images stacked at random reach all 1,000 modes
MODES = 1_000
NOTHING = {"modes": 0.0, "reverse_kl": math.log(MODES)}  # of a run that diverged before its first checkpoint
SNAPSHOTS = 4
SHARES = {"dcgan": 1, "dcgan, D at 1/2": 2, "dcgan, D at 1/4": 4}
CURES = ("unrolled", "d2gan", "mdgan", "ebgan_pt", "pacgan")
COLUMNS = ("modes", "reverse_kl", "seconds")


def network(width: int, normalized: bool = True, **options: str | int) -> str:
    """Returns three convolutions of stride 2, from `width` filters, as TOML."""
    given = "".join(f", {key} = {value}" for key, value in options.items())
    flag = str(normalized).lower()
    return f'{{architecture = "strided", width = {width}, depth = 3, normalized = {flag}{given}}}'


def networks(variant: str, width: int) -> dict[str, str]:
    """Returns the networks of a variant's players: the same for all, but for what makes the variant."""
    plain = {"generator": network(width), "discriminator": network(width)}
    return plain | {
        "unrolled": {role: network(width, normalized=False) for role in plain},
        "d2gan": {"second_discriminator": network(width)},
        "mdgan": {"encoder": network(width)},
        "ebgan_pt": {"discriminator": f'{{architecture = "autoencoder", width = {width // 2}}}'},
        "dual_d_selu": {
            "discriminator": network(width, normalized=False, minibatch_kernels=100),
            "second_discriminator": network(width, normalized=False, activation='"selu"'),
        },
    }.get(variant, {})


def games(lab: Lab, names: Sequence[str] | None) -> dict[str, Game]:
    """Returns all games by name, or some: each recipe's own optimizer and latents, with small networks."""
    rounds, width = lab.choose(smoke=2, short=8_000, full=50_000), lab.choose(smoke=4, short=16, full=64)
    common = (
        "data.dataset=stacked_mnist", "gan.ema_momentum=0.0", f"train.steps={rounds}",
        f"train.checkpoint_steps={max(1, rounds // SNAPSHOTS)}", f"train.keep_checkpoints={SNAPSHOTS}",
        "train.watch_steps=0", "train.evaluate_steps=0", "train.deterministic=false",
    )  # fmt: skip
    small = lab.choose(smoke=("data.split=train[:256]",), short=("train.precision=mixed_bfloat16",), full=())
    found = {}
    for name in names or (*SHARES, *CURES, "dual_d_selu"):
        variant = name.partition(",")[0]
        players = networks(variant, width)
        if name in SHARES:
            players["discriminator"] = network(width // SHARES[name])
        batch = 128 if variant == "pacgan" else 64  # 64 packs of two
        own = (f"gan.networks.{player}={spec}" for player, spec in players.items())
        found[name] = Game(variant, (*common, *small, f"data.batch_size={batch}", *own))
    return found


def summary(rows: Sequence[dict]) -> list[dict]:
    """Returns a row a game, lowest reverse KL first: means and standard deviations over the seeds that have scores."""
    return sorted(by_name(rows, "game", COLUMNS), key=lambda row: (np.isnan(row["reverse_kl"]), row["reverse_kl"]))


@experiment(
    "p-stacked",
    needs=("mnist",),
    hours=(0.02, 2.4, 100.0),
    seeds=3,
    differs="dual_d_selu without residual blocks; unrolled without batch norm, at its recipe's 1e-4, with the minimax "
    "generator, both players at once and five inner steps of gradient descent at 1e-3, which are small beside Adam's; "
    "MDGAN is its Reg-GAN; packs of two see twice the images in a round, G takes one step there for two; EBGAN's "
    "discriminator is an autoencoder",
    scaled="8,000 rounds for 50,000; 16 filters in the first layer for 64; networks in bfloat16",
    claims={
        "packing": Claim(
            "Lin et al. 2018, section 4.2, on stacked MNIST",
            "Packs of two reach more modes than the DCGAN that they pack, and nearer to evenly.",
            f"pacgan's reverse KL is below dcgan's, {SEEDWISE}, and its modes, mean of seeds, are more, or all of both",
            "1,000 modes, KL 0.06, over 78.9 ± 6.5, KL 4.50",
        ),
        "cures": Claim(
            "the papers of unrolled GANs, D2GAN, MDGAN, EBGAN and PacGAN; Padala & Gujar 2018",
            "Games made against mode collapse come nearer to even modes than the plain one.",
            f"of {', '.join(CURES)} all have a mean reverse KL below dcgan's, which comes by chance 1 time of 6",
            "none",
        ),
        "share": Claim(
            "Metz et al. 2016, section 3.3.1, on stacked MNIST",
            "With a discriminator of 1/4 of the generator's size fewer modes are reached than with one of 1/2.",
            f"modes at a width of 1/4 are fewer than at 1/2, {SEEDWISE}; not told if both are all 1,000, nor if a run "
            "has one alone: the rounds may be too few",
            "30.6 ± 20.7 and 628",
        ),
    },
)
def p_stacked(lab: Lab) -> None:
    """Counts the modes of stacked MNIST, 1,000 of them, that games made against mode collapse reach."""
    names = lab.choose(smoke=("dcgan, D at 1/4",), short=None)
    runs = lab.train(games(lab, names), partly=True)
    require_any(runs)
    digit = classifier_for("mnist", (28, 28, 1), lab.data_dir)
    measure = sample_scores(StackedClassifier(digit), lab.choose(smoke=100, short=SAMPLES))
    moments, rows, first = [], [], {}
    for name, own in runs.items():
        for trained in own:
            found = trained.measured("mode_scores", measure)
            about = {"game": name, "seed": trained.seed}
            moments += [{**about, **row} for row in found]
            row = {**about, "status": trained.status, **{key: (found or [NOTHING])[-1][key] for key in NOTHING}}
            rows.append({**row, "seconds": trained.seconds})
            first.setdefault(name, trained)
    table = summary(rows)
    lab.table("moments", moments)
    lab.table("runs", rows)
    lab.table("games", table)
    judge(lab, rows)
    draw_modes(lab, moments)
    draw_samples(lab, first, table)


def judge(lab: Lab, rows: Sequence[dict]) -> None:
    """Judges the claims whose games have runs."""
    means = {row["game"]: row for row in by_name(rows, "game", COLUMNS)}

    def told(*names: str) -> bool:
        return lab.told and all(name in means for name in names)

    def lead(column: str, first: str, second: str) -> tuple[float, float, float]:
        return ahead(*({row["seed"]: row[column] for row in rows if row["game"] == name} for name in (first, second)))

    if "dcgan" in means and "pacgan" in means:
        plain, packed = (means[name] for name in ("dcgan", "pacgan"))
        nearer = lead("reverse_kl", "dcgan", "pacgan")
        more = packed["modes"] > plain["modes"] or plain["modes"] == MODES
        lab.judge("packing", more and nearer[1] > 0 if told("dcgan", "pacgan") else None,
                  f"dcgan: {plain['modes']:.0f} modes, KL {plain['reverse_kl']:.3g}; pacgan: {packed['modes']:.0f}, "
                  f"KL {packed['reverse_kl']:.3g}; lower by {said(nearer)}")  # fmt: skip
    if "dcgan" in means:
        own = means["dcgan"]["reverse_kl"]
        played = [name for name in CURES if name in means]
        better = [name for name in played if means[name]["reverse_kl"] < own]
        lab.judge("cures", len(better) == len(CURES) if told("dcgan", *CURES) else None,
                  f"{len(better)} of {len(played)} below dcgan's {own:.3g}: {', '.join(better) or 'none'}")  # fmt: skip
    _, half, quarter = SHARES
    if half in means and quarter in means:
        fewer = lead("modes", half, quarter)
        seen = min(means[half]["modes"], means[quarter]["modes"]) < MODES
        begun = min(row["modes"] for row in rows if row["game"] in (half, quarter)) > 1
        counts = ", ".join(f"{name}: {means[name]['modes']:.0f}" for name in SHARES if name in means)
        lab.judge("share", fewer[1] > 0 if told(half, quarter) and seen and begun else None,
                  f"modes of {counts}; fewer by {said(fewer)}")  # fmt: skip


def draw_modes(lab: Lab, rows: Sequence[dict]) -> None:
    """Draws modes and reverse KL over the rounds, the mean of the seeds, a line a game."""
    with lab.figure("modes", 9.0, 4.0) as figure:
        for panel, column in zip(figure.subplots(1, 2), ("modes", "reverse_kl"), strict=True):
            for number, name in enumerate(dict.fromkeys(row["game"] for row in rows)):
                own = [row for row in rows if row["game"] == name]
                steps = sorted({row["step"] for row in own})
                values = [np.mean([row[column] for row in own if row["step"] == step]) for step in steps]
                panel.plot(steps, values, f"C{number}o-", ms=3, label=name)
            panel.set(xlabel="round", title=column.replace("_", " "))
            panel.grid(alpha=0.3)
        panel.legend(fontsize=7)


def draw_samples(lab: Lab, runs: dict[str, Trained], table: Sequence[dict]) -> None:
    """Draws a row of samples a game, of its first seed and last weights, lowest reverse KL first."""
    shown = [row for row in table if runs[row["game"]].steps]
    with lab.figure("samples", 7.0, 0.55 * len(shown) + 0.2) as figure:
        for panel, row in zip(figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, strict=True):
            panel.imshow(np.hstack(runs[row["game"]].restored().generate(16, seed=1, averaged=False)))
            panel.set(xticks=[], yticks=[])
            label = f"{row['game']}\n{row['modes']:.0f} modes"
            panel.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=7)
