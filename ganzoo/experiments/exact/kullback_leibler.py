"""Zhang et al. 2018, equations 6 to 10, on discrete distributions, where optimal discriminators are known."""

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

POINTS = 7
TOLERANCE = 1e-10
# With -log D2 for the second one the sum would be KL(p || q) + KL(q || p).
READING = (
    "eq. 5's log(-D1) is read as -log D1, its log(-D2) as log(1 - D2), which alone give eqs. 9 and 10: as printed they "
    "are of negative numbers; where q is above p eq. 5 so read is unbounded in D1, so eq. 6's optimum is meant; "
    "eq. 8 is missing from the text, and is what eqs. 7 and 9 imply"
)


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Returns KL(p || q), in nats."""
    return float(np.sum(p * np.log(p / q)))


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Returns JS(p, q), in nats."""
    middle = (p + q) / 2
    return (divergence(p, middle) + divergence(q, middle)) / 2


def frozen_gradients(p: np.ndarray, q: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the gradients, by the logits of q, of the generator's terms with discriminators held at their optimum.

    Beside them those of KL(q || p) and of JS, all of [K].
    """
    first, second = np.log(p / q), np.log(q / p)  # logits of D1* = p / (p + q) and D2* = q / (p + q)
    log_d1, log_d2 = -np.logaddexp(0, -first), -np.logaddexp(0, -second)

    def by_logits(by_q: np.ndarray) -> np.ndarray:  # through the softmax
        return q * (by_q - np.sum(q * by_q))

    kl, js = by_logits(np.log(q / p)), by_logits(np.log(2 * q / (p + q)) / 2)
    return {"first": by_logits(-log_d1), "second": by_logits(log_d2), "kl": kl, "js": js}


def optimal_values(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Returns the values of equations 5 and 6 at D1* = p / (p + q) and D2* = q / (p + q)."""
    d1, d2 = p / (p + q), q / (p + q)
    both = float(np.sum(p * np.log(d1) + p * np.log(1 - d2) + q * np.log(d2)))
    return {"eq5": both - float(np.sum(q * np.log(d1))), "eq6": both + float(np.sum(q * np.log(1 - d1)))}


def identities(p: np.ndarray, q: np.ndarray) -> dict[str, float]:
    """Returns by how much each identity of the paper fails for a pair of distributions [K]."""
    d1 = p / (p + q)
    kl, js, by_p = divergence(q, p), jensen_shannon(p, q), float(np.sum(p * np.log(d1)))
    fooled, caught = float(np.sum(-q * np.log(d1))), float(np.sum(q * np.log(1 - d1)))
    found, equilibrium = optimal_values(p, q), optimal_values(p, p)
    gradients = frozen_gradients(p, q)
    return {
        "eq6_value": abs(found["eq6"] - (4 * js - 4 * np.log(2))),
        "eq7_value": abs(caught + fooled - kl),
        "eq8_value": abs(caught - (2 * js - 2 * np.log(2) - by_p)),
        "eq9_value": abs(fooled - (by_p + kl - 2 * js + 2 * np.log(2))),
        "eq10_value": abs(found["eq5"] - (kl + 2 * by_p)),
        "theorem2_value": abs(equilibrium["eq6"] + 4 * np.log(2)),
        "theorem3_value": abs(equilibrium["eq5"] + 2 * np.log(2)),
        "first_gradient": float(np.abs(gradients["first"] - gradients["kl"] + 2 * gradients["js"]).max()),
        "second_gradient": float(np.abs(gradients["second"] - 2 * gradients["js"]).max()),
        "sum_gradient": float(np.abs(gradients["first"] + gradients["second"] - gradients["kl"]).max()),
    }


def total_gradient(p: np.ndarray, logits: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Returns the gradient of the whole of eq. 10 by the logits of q, discriminators following q."""

    def value(x: np.ndarray) -> float:
        return optimal_values(p, np.exp(x) / np.exp(x).sum())["eq5"]

    numeric = [(value(logits + step * e) - value(logits - step * e)) / (2 * step) for e in np.eye(len(logits))]
    return np.array(numeric)


def gap(p: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Returns how far the gradient of eq. 10 is from that of KL(q || p): most, over its norm; and their cosine."""
    kl = frozen_gradients(p, np.exp(logits) / np.exp(logits).sum())["kl"]
    total = total_gradient(p, logits)
    norms = np.linalg.norm(total), np.linalg.norm(kl)
    return {
        "most": float(np.abs(total - kl).max()),
        "relative": float(np.linalg.norm(total - kl) / norms[1]),
        "cosine": float(total @ kl / np.prod(norms)),
    }


@experiment(
    "z-kl",
    claims={
        "value": Claim(
            "Zhang et al. 2018, eqs. 6, 7, 9, 10, theorems 2 and 3",
            "At the discriminators that are optimal in eq. 6 the values are 4 JS - 4 log 2 (eq. 6) and KL(q || p) + "
            "2 E_p[log D1] (eq. 5); at q = p they are -4 log 2 and -2 log 2.",
            f"every identity holds to {TOLERANCE:g} on 1,000 random pairs of distributions; {READING}",
            "identity",
        ),
        "gradient": Claim(
            "Zhang et al. 2018, section 2.2.2",
            "The generator descends KL(q || p): the JS parts of both terms cancel.",
            f"with the discriminators held, the gradient is that of KL(q || p) to {TOLERANCE:g}",
            "identity",
        ),
        "total": Claim(
            "Zhang et al. 2018, eq. 10",
            "The same holds for the whole of equation 10 as a function of the generator.",
            "with the discriminators following, the gradient is that of KL(q || p) to 1e-4 (where q = p both are 0)",
            "identity",
        ),
    },
)
def z_kl(lab: Lab) -> None:
    """Checks on discrete distributions that the dual discriminators' loss is KL(q || p), equations 6 to 10."""
    rng = np.random.default_rng(lab.seeds[0])
    rows, gaps = [], []
    for pair in range(1_000):
        logits = rng.normal(scale=1.5, size=(2, POINTS))
        p, q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        rows.append({"pair": pair, "kl": divergence(q, p), "js": jensen_shannon(p, q), **identities(p, q)})
        gaps.append(gap(p, logits[1]))
    worst = {name: max(row[name] for row in rows) for name in rows[0] if name.endswith(("value", "gradient"))}
    lab.table("worst", [{"identity": name, "largest_error": error} for name, error in worst.items()])
    values, gradients = ([error for name, error in worst.items() if name.endswith(e)] for e in ("value", "gradient"))
    lab.judge("value", max(values) < TOLERANCE, f"largest error {max(values):.1e}")
    lab.judge("gradient", max(gradients) < TOLERANCE, f"largest error {max(gradients):.1e}")
    most, relative, cosine = ([each[key] for each in gaps] for key in ("most", "relative", "cosine"))
    found = f"its largest component differs by {np.median(most):.2f} (median), {max(most):.2f} (most), "
    found += f"the whole by {100 * np.median(relative):.0f} % of its norm (median); "
    found += f"the cosine of both is at least {min(cosine):.2f}"
    lab.judge("total", max(most) < 1e-4, found)
    with lab.figure("path") as figure:
        draw_path(figure, rng)


def draw_path(figure, rng: np.random.Generator) -> None:
    """Draws both terms and their sum as q moves on a line from one distribution through p and beyond."""
    p = rng.dirichlet(np.ones(POINTS))
    away = rng.dirichlet(np.ones(POINTS))
    shares = np.linspace(-1, 1, 201)
    logits = np.log(p) + shares[:, None] * (np.log(away) - np.log(p))
    qs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    terms = [[-np.sum(q * np.log(p / (p + q))), np.sum(q * np.log(q / (p + q))), divergence(q, p)] for q in qs]
    plot = figure.add_subplot()
    for values, label, style in zip(
        np.array(terms).T, ("E[-log D1]", "E[log D2]", "KL(q || p)"), ("--", ":", "-"), strict=True
    ):
        plot.plot(shares, values, style, label=label)
    plot.plot(shares, np.array(terms)[:, :2].sum(1), "k.", markevery=10, label="sum of both terms")
    plot.set_xlabel("q between p (0) and another distribution (1)")
    plot.set_ylabel("nats")
    plot.legend()
    plot.grid(alpha=0.3)
