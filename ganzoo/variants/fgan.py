"""f-GAN: a GAN for every f-divergence.

A convex f with f(1) = 0 gives a divergence D_f(p || q) = E_q[f(p/q)]. With its convex conjugate f*, D_f is the largest
value that E_p[T] - E_q[f*(T)] takes over functions T, so a discriminator that maximises this estimates D_f from
samples, and a generator that minimises it descends D_f. The original GAN is the case of the Jensen-Shannon divergence.
The networks' score a becomes T = g_f(a), where g_f maps to where f* is finite. Both players take one gradient step
from the same weights (algorithm 1).

    fgan_                 f(u)                                      a at the optimum, r = p/q    f'(1)
    forward_kl            u log u                                   1 + log r                    1
    reverse_kl            -log u                                    log r                        -1
    pearson               (u - 1)^2                                 2 (r - 1)                    0
    squared_hellinger     (sqrt(u) - 1)^2                           log(r) / 2                   0
    total_variation       |u - 1| / 2                               +-infinity                   0
    js                    u log u - (u + 1) log((u + 1) / 2)        log r                        0
"""

import inspect

from ganzoo.gan import GAN
from ganzoo.registry import register

BEFORE = """
Args:
    objective: `"{0}"`, G maximises the discriminator's output on fakes (section 3.2), or `"{0}_saddle"`, G minimises
        what D maximises.
    **settings: see `GAN`.

Raises:
    InputError: if a setting is unknown, of a wrong type, or impossible.

Terms: discriminator/adversarial, generator/adversarial.
"""
AFTER = """
Source: Nowozin et al. 2016, "f-GAN: training generative neural samplers using variational divergence minimization",
    https://arxiv.org/abs/1606.00709, eqs. 4 to 7, tables 1 and 2, algorithm 1.

Paper: both players at once from the same weights, z ~ U(-1, 1)^100; on MNIST dense networks with batch norm and
    batches of 4,096, on LSUN the networks of DCGAN.

Deviation: both networks are those of `dcgan`. The losses are simplified, f*(g_f(a)) is never computed as a logarithm
    of an exponential, and every exponential goes on as its tangent above 30.

Elsewhere: some tables and ports have -e^a for the reverse KL and 1 - e^a for squared Hellinger: the same divergences,
    but the sign of the score is turned, and fakes score high.
"""


def documented(cls: type[GAN]) -> type[GAN]:
    """Completes a docstring of one line and equations with what the family shares."""
    first, equations = inspect.cleandoc(cls.__doc__).split("\n\n", 1)
    cls.__doc__ = "\n\n".join((first, BEFORE.strip().format(cls.objective), equations, AFTER.strip()))
    return cls


@register("fgan_forward_kl")
@documented
class FGANForwardKL(GAN):
    """f-GAN on the Kullback-Leibler divergence KL(p || q), which is large where q misses data.

    Equations:
        D: -E_x a(x) + E_z exp(a(G) - 1)
        G: -E_z a(G); saddle: -E_z exp(a(G) - 1)
    """

    objective = "forward_kl"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100


@register("fgan_reverse_kl")
@documented
class FGANReverseKL(GAN):
    """f-GAN on the reverse Kullback-Leibler divergence KL(q || p), which is large where q leaves the data.

    Equations:
        D: E_x exp(-a(x)) + E_z [a(G) - 1]
        G: E_z exp(-a(G)); saddle: -E_z [a(G) - 1]
    """

    objective = "reverse_kl"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100


@register("fgan_pearson")
@documented
class FGANPearson(GAN):
    """f-GAN on the Pearson chi-squared divergence, E_q[(p/q - 1)^2].

    Equations:
        D: -E_x a(x) + E_z [a(G)^2 / 4 + a(G)]
        G: -E_z a(G); saddle: -E_z [a(G)^2 / 4 + a(G)]
    """

    objective = "pearson"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100


@register("fgan_squared_hellinger")
@documented
class FGANSquaredHellinger(GAN):
    """f-GAN on the squared Hellinger distance, the integral of (sqrt(p) - sqrt(q))^2.

    Equations:
        D: -E_x [1 - exp(-a(x))] + E_z [exp(a(G)) - 1]
        G: -E_z [1 - exp(-a(G))]; saddle: -E_z [exp(a(G)) - 1]
    """

    objective = "squared_hellinger"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100


@register("fgan_total_variation")
@documented
class FGANTotalVariation(GAN):
    """f-GAN on the total variation distance, half the integral of |p - q|; flat where D is sure.

    Equations:
        D: -E_x tanh(a(x)) / 2 + E_z tanh(a(G)) / 2
        G: -E_z tanh(a(G)) / 2; saddle: the same
    """

    objective = "total_variation"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100


@register("fgan_js")
@documented
class FGANJS(GAN):
    """f-GAN on the Jensen-Shannon divergence, counted twice: KL(p || m) + KL(q || m), m = (p + q) / 2.

    Equations:
        D: E_x [sp(-a(x)) - log 2] + E_z [sp(a(G)) - log 2]
        G: E_z [sp(-a(G)) - log 2]; saddle: -E_z [sp(a(G)) - log 2]
    """

    objective = "js"
    simultaneous = True
    prior = "uniform"
    latent_dim = 100
