"""Kodali et al. 2018 on CIFAR-10: figure 5, four hard networks, five divergences, sample sheets."""

import numpy as np

from ganzoo import pictures
from ganzoo.experiments.cifar.games import BY_INCEPTION, SCALED, draw_scores, game, known, means, metrics, played
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.papers import DRAGAN, PLAIN_GAME
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import COLLAPSED, column

# The DCGAN of the paper is not described; this is WGAN-GP's small one, with batch norm as the paper's rules ask for it.
STRIDED = '{architecture = "strided", width = %d, normalized = true}'
LATENTS = ("gan.prior=normal", "gan.latent_dim=128")
ADAM = ('optimizer={name = "adam", learning_rate = 1e-4, beta_1 = 0.5, beta_2 = 0.9}', "optimizers={}")
DIFFERS = (
    "of its DCGAN the paper gives the rules, no sizes: this is WGAN-GP's small one, with their batch norm also in the "
    f"discriminator (but WGAN-GP's critic), Adam 1e-4 (0.5, 0.9), 128 normal latents; {DRAGAN}; {BY_INCEPTION}"
)
COMMON = {
    "needs": ("cifar10",),
    "scaled": SCALED + "; strided networks of width 16 for 128 (network A: 64), dense ones of 128 units for 512",
}
FIVE = {  # of figure 5 and its samples
    "differs": f"{DIFFERS}; {PLAIN_GAME}; WGAN has its own optimizer, RMSprop 5e-5",
    "scaled": COMMON["scaled"] + "; five times the rounds at equal steps of D",
}
HARD_NETWORKS = {
    "A": "G of one width, no batch norm", "B": "dense G", "C": "tanh in G and D", "D": "tanh in G, dense D",
}  # fmt: skip
HARD_DIFFERS = (
    f"{DIFFERS}; {PLAIN_GAME}; figure 14's panels are taken to be in the order of the text's list: "
    f"{'; '.join(f'{letter}, {what}' for letter, what in HARD_NETWORKS.items())}"
)
FIG_5 = {
    "vanilla, equal D steps": 6.99, "dragan, equal D steps": 6.90, "vanilla, equal G steps": 6.30,
    "dragan, equal G steps": 6.11, "wgan_gp": 5.99, "wgan": 3.25,
}  # fmt: skip
VANILLA = "non_saturating"
LATE = "by the mean of a run's last three scores, mean of seeds"
# (dragan, vanilla) points of five that the paper gives to their curves on each network.
HARD = {"A": (5.0, 0.0), "B": (3.5, 1.5), "C": (2.25, 2.75), "D": (2.0, 3.0)}
DIVERGENCES = ("forward_kl", "reverse_kl", "pearson", "squared_hellinger", "total_variation")
FEW = "has ever had half of the classes: the rounds may be too few"
UNTOLD = f"not told if no run at all {FEW}"
UNTOLD_OF_ONE = f"not told if of one of the games no run {FEW}"
PENALTY = ("gan.penalty=author_noise", "gan.penalty_weight=10.0")


def networks(lab: Lab, **specs: str) -> tuple[str, ...]:
    """Returns the changes that give both players a specification, else the strided one, and equal latents."""
    width = lab.choose(smoke=4, short=16, full=128)
    return LATENTS + tuple(
        f"gan.networks.{player}={specs.get(player, STRIDED % width)}" for player in ("generator", "discriminator")
    )


def five(lab: Lab) -> dict[str, Game]:
    """Returns the games of figure 5 by name."""
    own = networks(lab)
    critic = "gan.networks.discriminator.normalized=false"  # its penalty is one of single examples
    return {
        "wgan": game(lab, "wgan", *own),
        "wgan_gp": game(lab, "wgan_gp", *own, critic, *ADAM),
        "dragan, equal G steps": game(lab, "dragan", *own),
        "vanilla, equal G steps": game(lab, VANILLA, *own, *ADAM),
        "dragan, equal D steps": game(lab, "dragan", *own, times=5),
        "vanilla, equal D steps": game(lab, VANILLA, *own, *ADAM, times=5),
    }


@experiment(
    "k-fig5",
    hours=(0.05, 0.75, 40.0),
    seeds=3,
    **COMMON | FIVE,
    claims={
        "above": Claim(
            "Kodali et al. 2018, section 3.1",
            "DRAGAN is above WGAN and WGAN-GP, at equal steps of G and of D.",
            f"{LATE}: both of its scores are above those of wgan and of wgan_gp; {UNTOLD_OF_ONE}",
            "6.11 and 6.90 over 3.25 and 5.99",
        ),
        "vanilla": Claim(
            "Kodali et al. 2018, section 3.1",
            "In a DCGAN the vanilla game is slightly better still.",
            f"{LATE}: at equal G steps, and at equal D steps, its score is above DRAGAN's, by at most 10 %; "
            f"{UNTOLD_OF_ONE}",
            "6.30 over 6.11, 6.99 over 6.90",
        ),
    },
)
def k_fig5(lab: Lab) -> None:
    """Trains WGAN, WGAN-GP, DRAGAN and the vanilla game in one DCGAN, at equal steps of G and of D."""
    runs, rows = played(lab, five(lab))
    found = means(rows, runs, "late")
    lab.table("runs", rows)
    draw_scores(lab, "scores", rows, FIG_5)
    told = known(lab, found) and {row["method"] for row in rows if row["learned"]} == set(FIG_5)
    plain, ours, more = (found[f"{name} steps"] for name in ("vanilla, equal G", "dragan, equal G", "dragan, equal D"))
    rivals = max(found["wgan"], found["wgan_gp"])
    said = f"{ours:.2f} and {more:.2f} over {found['wgan']:.2f} and {found['wgan_gp']:.2f}"
    lab.judge("above", min(ours, more) > rivals if told else None, said)
    longer = found["vanilla, equal D steps"]
    slightly = all(1 < theirs / own <= 1.1 for theirs, own in ((plain, ours), (longer, more)))
    said = f"{plain:.2f} over {ours:.2f}, {longer:.2f} over {more:.2f}"
    lab.judge("vanilla", slightly if told else None, said)


def hard_networks(lab: Lab) -> dict[str, dict[str, str]]:
    """Returns letter -> player -> the specification that differs from the strided one."""
    width, units = lab.choose(smoke=4, short=16, full=128), lab.choose(smoke=8, short=128, full=512)
    same = lab.choose(smoke=4, short=16, full=64)  # of all layers
    dense = f'architecture = "mlp", width = {units}, depth = 4'
    tanh = f'{{architecture = "strided", width = {width}, normalized = true, activation = "tanh"}}'
    return {
        "A": {"generator": f'{{architecture = "strided", width = {same}, constant = true, normalized = false}}'},
        "B": {"generator": f"{{{dense}}}"},
        "C": {"generator": tanh, "discriminator": tanh},
        "D": {"generator": tanh, "discriminator": f'{{{dense}, activation = "leaky_relu"}}'},
    }


def hard(lab: Lab) -> dict[str, Game]:
    """Returns the games on the paper's four networks by name, `"A dragan"` say."""
    return {
        f"{letter} {name}": game(lab, recipe, *networks(lab, **spec), *ADAM)
        for letter, spec in hard_networks(lab).items()
        for name, recipe in (("dragan", "dragan"), ("vanilla", VANILLA))
    }


@experiment(
    "k-hard4",
    hours=(0.05, 0.85, 30.0),
    seeds=3,
    **COMMON,
    differs=HARD_DIFFERS,
    claims={
        "stable": Claim(
            "Kodali et al. 2018, section 5.2.3",
            "On each of the four DRAGAN is stable while the vanilla game fails.",
            f"on each no run of DRAGAN collapsed, and more than half of the vanilla ones did ({COLLAPSED}); not told "
            f"if on one no run of either {FEW}",
            "figure 14",
        ),
        "points": Claim(
            "Kodali et al. 2018, section 5.3",
            "By eye the same four curves got points by which DRAGAN is better on A and B, and worse on C and D.",
            f"{LATE}: the higher score is DRAGAN's on A and B, the vanilla game's on C and D; not told either if on "
            "one network nothing has learned",
            "(5, 0), (3.5, 1.5), (2.25, 2.75), (2, 3)",
        ),
    },
)
def k_hard4(lab: Lab) -> None:
    """Trains the vanilla game and DRAGAN on four networks that are hard to train."""
    runs, rows = played(lab, hard(lab))
    found, fallen = (means(rows, runs, key) for key in ("late", "collapsed"))
    lab.table("runs", rows)
    draw_curves(lab, runs)
    shares = [(fallen[f"{letter} dragan"], fallen[f"{letter} vanilla"]) for letter in HARD]
    said = "; ".join(f"{n}: {100 * a:.0f} % and {100 * b:.0f} %" for n, (a, b) in zip(HARD, shares, strict=True))
    stable = all(ours == 0 and theirs > 0.5 for ours, theirs in shares)
    learned = {row["method"][0] for row in rows if row["learned"]}
    told = known(lab, fallen) and learned == set(HARD)
    lab.judge("stable", stable if told else None, f"collapsed, DRAGAN and vanilla: {said}")
    better = {letter: found[f"{letter} dragan"] > found[f"{letter} vanilla"] for letter in HARD}
    said = "; ".join(f"{n}: {found[f'{n} dragan']:.2f} and {found[f'{n} vanilla']:.2f}" for n in HARD)
    wanted = {letter: ours > theirs for letter, (ours, theirs) in HARD.items()}
    lab.judge("points", better == wanted if known(lab, found) and learned == set(HARD) else None, said)


def draw_curves(lab: Lab, runs: dict[str, list[Trained]]) -> None:
    """Draws the scores over the rounds, a panel a network."""
    with lab.figure("curves", 9.0, 2.6) as figure:
        panels = figure.subplots(1, 4, sharey=True)
        panels[0].set_ylabel(metrics(lab)[0].replace("_", " "))
        for panel, letter in zip(panels, HARD, strict=True):
            for colour, name in (("C0", "dragan"), ("C1", "vanilla")):
                for position, each in enumerate(runs[f"{letter} {name}"]):
                    points = [(row["step"], value) for row in each.scores for value in column([row], metrics(lab)[0])]
                    label = None if position else name
                    panel.plot(*np.array(points or [(np.nan, np.nan)]).T, color=colour, alpha=0.8, label=label)
            panel.set_title(f"{letter}: {HARD_NETWORKS[letter]}", fontsize=7)
            panel.set_xlabel("round")
            panel.grid(alpha=0.3)
            if panel.lines:
                panel.legend(fontsize=6)


@experiment(
    "k-fdiv5",
    hours=(0.05, 1.0, 40.0),
    seeds=2,
    **COMMON,
    differs=f"{DIFFERS}; f-GANs' generators ascend E[T], both players at once; the paper does not name its hard "
    "network: this is the first of k-hard4's (A), on which DRAGAN learned at `short` and the vanilla game did not, on "
    "one seed, without batch norm in the discriminator (on the second one, tried before, neither did)",
    claims={
        "plain": Claim(
            "Kodali et al. 2018, section 3.3", "On a hard network all five divergences fail without the penalty.",
            f"more than half of the runs without it collapsed, for each of the five ({COLLAPSED}); {UNTOLD}",
            "figure 15",
        ),
        "dragan": Claim(
            "Kodali et al. 2018, section 3.3", "With the penalty all but total variation are stable.",
            f"no run with it collapsed but for total variation's, of which more than half did; {UNTOLD}", "figure 15",
        ),
    },
)  # fmt: skip
def k_fdiv5(lab: Lab) -> None:
    """Trains f-GANs by five divergences with and without DRAGAN's penalty, on the first of the hard networks."""
    own = (*networks(lab, **hard_networks(lab)["A"]), *ADAM)
    games = {f"{d}, plain": game(lab, f"fgan_{d}", *own) for d in DIVERGENCES}
    games |= {f"{d}, dragan": game(lab, f"fgan_{d}", *own, *PENALTY) for d in DIVERGENCES}
    _, rows = played(lab, games)
    lab.table("runs", rows)
    draw_scores(lab, "scores", rows, dict.fromkeys(games, np.nan))
    rates = means(rows, games, "collapsed")
    said = {
        kind: ", ".join(f"{d} {100 * rates[f'{d}, {kind}']:.0f} %" for d in DIVERGENCES) for kind in ("plain", "dragan")
    }
    told = known(lab, rates) and any(row["learned"] for row in rows)
    lab.judge("plain", all(rates[f"{d}, plain"] > 0.5 for d in DIVERGENCES) if told else None, said["plain"])
    stable = all(rates[f"{d}, dragan"] == 0 for d in DIVERGENCES[:-1]) and rates["total_variation, dragan"] > 0.5
    lab.judge("dragan", stable if told else None, said["dragan"])


def sheets(lab: Lab, games: dict[str, Game]) -> None:
    """Draws samples of the first seed of every game side by side."""
    shown = {name: own[0] for name, own in lab.train(games).items()}
    with lab.figure("samples", 2.2 * len(shown), 2.5) as figure:
        for panel, (name, each) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
            panel.imshow(pictures.grid(each.restored().generate(64, seed=1), columns=8))
            panel.set_title(name, fontsize=7)
            panel.axis("off")
    lab.table("samples", [{"panel": name, "run": each.run.model_dir.name} for name, each in shown.items()])


@experiment(
    "k-fig8",
    one_seed=True,
    hours=(0.02, 0.75, 40.0),
    **COMMON | FIVE,
    claims={
        "look": Claim(
            "Kodali et al. 2018, figure 8",
            "Samples of the methods of figure 5.",
            published="figure",
        ),
    },
)
def k_fig8(lab: Lab) -> None:
    """Draws samples of figure 5's games side by side; runs them if k-fig5 has not."""
    sheets(lab, five(lab))
