"""Divergences between two Gaussians as they part, what a generator learns from each, and what each punishes."""

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

MEANS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0)
APART = 4.0  # both modes of p, from 0
WIDE = np.sqrt(1 + APART**2)  # the deviation of p
# q that covers one mode of p, and q that covers both and what is between them.
COVERS = {"one mode": (APART, 1.0), "both modes": (0.0, WIDE)}


def log_density(x: np.ndarray, mean: float, deviation: float = 1.0) -> np.ndarray:
    """Returns log N(x; mean, deviation^2)."""
    return -0.5 * ((x - mean) / deviation) ** 2 - np.log(deviation) - 0.5 * np.log(2 * np.pi)


def mixture(x: np.ndarray) -> np.ndarray:
    """Returns the log density of two modes of equal weight."""
    return np.logaddexp(log_density(x, -APART), log_density(x, APART)) - np.log(2)


def integrands(log_p: np.ndarray, log_q: np.ndarray) -> dict[str, np.ndarray]:
    """Returns what KL both ways and JS integrate, of log densities at the same points."""
    p, q, log_middle = np.exp(log_p), np.exp(log_q), np.logaddexp(log_p, log_q) - np.log(2)
    return {
        "kl_pq": p * (log_p - log_q),
        "kl_qp": q * (log_q - log_p),
        "js": (p * (log_p - log_middle) + q * (log_q - log_middle)) / 2,
    }


def divergences(mean: float) -> dict[str, float]:
    """Returns KL both ways, JS and the derivatives by the mean, of p = N(0, 1) and q = N(mean, 1), by quadrature."""
    x = np.linspace(-12.0, mean + 12.0, 40_001)
    log_p, log_q = log_density(x, 0.0), log_density(x, mean)
    by_mean = {
        "kl_pq_gradient": -np.exp(log_p) * (x - mean),
        "kl_qp_gradient": np.exp(log_q) * (x - mean) * (log_q - log_p),
        # By Stein's lemma q p / (p + q) mean / 2: what it comes from, a sum of both signs, is rounding from 20 on.
        "js_gradient": np.exp(log_q + log_p - np.logaddexp(log_p, log_q)) * mean / 2,
    }
    values = {**integrands(log_p, log_q), **by_mean}
    return {"mean": mean, **{name: float(np.trapezoid(each, x)) for name, each in values.items()}, "wasserstein": mean}


@experiment(
    "a-divergences",
    claims={
        "js": Claim(
            "Article, on vanishing gradients",
            "The JS divergence of distant distributions is nearly constant, so its gradient vanishes.",
            "JS within 1e-4 of log 2 and its gradient below 1e-5 at 10 apart, where KL's gradient is 10",
            "figure",
        ),
        "missed": Claim(
            "Article, on KL",
            "KL(p, q) punishes a generator that misses a mode, KL(q, p) does not.",
            f"p of modes at -{APART:g} and {APART:g}, q = N({APART:g}, 1): KL(p, q) is the larger one",
            "argument",
        ),
        "unreal": Claim(
            "Article, on KL",
            "KL(q, p) punishes samples that are not real, where p is 0 and q is not, KL(p, q) does not.",
            f"the same p, q = N(0, {1 + APART**2:g}) of its mean and variance: KL(q, p) is the larger one",
            "argument",
        ),
        "poor": Claim(
            "Article, on JS",
            "Unlike KL(p, q), JS punishes samples that are not real.",
            "the same two q: with unreal samples JS is at least half of what it is with a missed mode, KL(p, q) is not",
            "argument",
        ),
        "grows": Claim(
            "ours",
            "KL grows with the distance and keeps a gradient.",
            "both KL are m^2 / 2, and their gradients m, to 1e-6 of either (of 1 below 1) at every distance",
            "none",
        ),
    },
)
def a_divergences(lab: Lab) -> None:
    """Takes KL, reverse KL and JS of two Gaussians 0 to 30 apart, with their gradients, and of two modes and one."""
    rows = [divergences(mean) for mean in MEANS]
    lab.table("divergences", rows)
    far = next(row for row in rows if row["mean"] == 10)
    lab.judge(
        "js",
        abs(far["js"] - np.log(2)) < 1e-4 and far["js_gradient"] < 1e-5 and abs(far["kl_qp_gradient"] - 10) < 1e-4,
        f"10 apart JS is {far['js']:.4f}, its gradient {far['js_gradient']:.1e}, KL's {far['kl_qp_gradient']:.1f}",
    )
    x = np.linspace(-10 * WIDE, 10 * WIDE, 40_001)
    parts = {name: integrands(mixture(x), log_density(x, *shape)) for name, shape in COVERS.items()}
    covers = {name: {of: float(np.trapezoid(values, x)) for of, values in part.items()} for name, part in parts.items()}
    lab.table("modes", [{"q_covers": name, **row} for name, row in covers.items()])
    for claim, name, larger, smaller in (
        ("missed", "one mode", "kl_pq", "kl_qp"),
        ("unreal", "both modes", "kl_qp", "kl_pq"),
    ):
        found = f"KL(p, q) = {covers[name]['kl_pq']:.3g}, KL(q, p) = {covers[name]['kl_qp']:.3g}"
        lab.judge(claim, covers[name][larger] > covers[name][smaller], found)
    shares = {of: covers["both modes"][of] / covers["one mode"][of] for of in ("js", "kl_pq")}
    found = "unreal over missed: " + ", ".join(f"{of} {share:.2g}" for of, share in shares.items())
    lab.judge("poor", shares["js"] >= 0.5 > shares["kl_pq"], found)
    wrong = [
        abs(row[f"kl_{way}{suffix}"] - right) / max(1.0, right)
        for row in rows
        for way in ("pq", "qp")
        for suffix, right in (("", row["mean"] ** 2 / 2), ("_gradient", row["mean"]))
    ]
    lab.judge("grows", max(wrong) < 1e-6, f"largest relative error {max(wrong):.1e}")
    draw_integrands(lab, x, parts)
    with lab.figure("divergences", 9.0, 3.5) as figure:
        left, right = figure.subplots(1, 2)
        fine = [divergences(mean) for mean in np.linspace(0, 30, 121)]
        means = [row["mean"] for row in fine]
        for panel, suffix, title in ((left, "", "divergence, nats"), (right, "_gradient", "gradient by the distance")):
            for name, label in (("kl_pq", "KL(p || q)"), ("kl_qp", "KL(q || p)"), ("js", "JS")):
                values = np.array([row[name + suffix] for row in fine])
                panel.semilogy(means, values.clip(1e-12), "--" if name == "kl_qp" else "-", label=label)
            panel.set(title=title, xlabel="distance of the means", ylim=(1e-8, 1e3))
            panel.grid(alpha=0.3)
            panel.legend(fontsize=8)


def draw_integrands(lab: Lab, x: np.ndarray, parts: dict[str, dict[str, np.ndarray]]) -> None:
    """Draws the densities, and below them what each divergence integrates."""
    with lab.figure("integrands", 9.0, 5.0) as figure:
        panels = figure.subplots(2, 2, sharex=True)
        for (above, below), (name, part) in zip(panels.T, parts.items(), strict=True):
            above.plot(x, np.exp(mixture(x)), "k", label="p")
            above.plot(x, np.exp(log_density(x, *COVERS[name])), "C3", label="q")
            above.set(title=f"q covers {name}", xlim=(-12, 12))
            for of, label, style in (("kl_pq", "KL(p || q)", "-"), ("kl_qp", "KL(q || p)", "--"), ("js", "JS", "-")):
                below.plot(x, part[of], style, label=label)
            below.set(xlabel="x")
        panels[0, 0].set_ylabel("density")
        panels[1, 0].set_ylabel("integrand")
        for panel in panels.ravel():
            panel.grid(alpha=0.3)
            panel.legend(fontsize=8)
