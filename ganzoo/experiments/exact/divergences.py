"""Divergences between two Gaussians as they part, and what a generator learns from each."""

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

MEANS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 25.0, 30.0)


def log_density(x: np.ndarray, mean: float) -> np.ndarray:
    """Returns log N(x; mean, 1)."""
    return -0.5 * (x - mean) ** 2 - 0.5 * np.log(2 * np.pi)


def divergences(mean: float) -> dict[str, float]:
    """Returns KL both ways, JS and the derivatives by the mean, of p = N(0, 1) and q = N(mean, 1), by quadrature."""
    x = np.linspace(-12.0, mean + 12.0, 40_001)
    log_p, log_q = log_density(x, 0.0), log_density(x, mean)
    p, q = np.exp(log_p), np.exp(log_q)
    log_middle = np.logaddexp(log_p, log_q) - np.log(2)
    dq = q * (x - mean)  # by the mean
    integral = lambda values: float(np.trapezoid(values, x))  # noqa: E731
    return {
        "mean": mean,
        "kl_pq": integral(p * (log_p - log_q)),
        "kl_qp": integral(q * (log_q - log_p)),
        "js": (integral(p * (log_p - log_middle)) + integral(q * (log_q - log_middle))) / 2,
        "kl_pq_gradient": integral(-p * (x - mean)),
        "kl_qp_gradient": integral(dq * (log_q - log_p)),
        "js_gradient": integral(dq * (log_q - log_middle)) / 2,
        "wasserstein": mean,
    }


@experiment(
    "a-divergences",
    claims={
        "js": Claim(
            "Article, on vanishing gradients",
            "The JS divergence of distant distributions is nearly constant, so its gradient vanishes.",
            "JS within 1e-4 of log 2 and its gradient below 1e-5 at 10 apart, where KL's gradient is 10",
            "figure",
        ),
        "kl": Claim(
            "Article, on KL",
            "KL grows with the distance and keeps a gradient.",
            "both KL are m^2 / 2, and their gradients m, to 1e-6 relative at every distance",
            "figure",
        ),
    },
)
def a_divergences(lab: Lab) -> None:
    """Takes KL, reverse KL and JS of two Gaussians 0 to 30 apart, with their gradients."""
    rows = [divergences(mean) for mean in MEANS]
    lab.table("divergences", rows)
    far = next(row for row in rows if row["mean"] == 10)
    lab.judge(
        "js",
        abs(far["js"] - np.log(2)) < 1e-4 and far["js_gradient"] < 1e-5 and abs(far["kl_qp_gradient"] - 10) < 1e-4,
        f"10 apart JS is {far['js']:.4f}, its gradient {far['js_gradient']:.1e}, KL's {far['kl_qp_gradient']:.1f}",
    )
    wrong = [
        max(abs(row[f"kl_{way}"] - row["mean"] ** 2 / 2), abs(row[f"kl_{way}_gradient"] - row["mean"]))
        / max(1.0, row["mean"] ** 2 / 2)
        for row in rows
        for way in ("pq", "qp")
    ]
    lab.judge("kl", max(wrong) < 1e-6, f"largest relative error {max(wrong):.1e}")
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
