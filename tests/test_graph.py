"""In the round that TensorFlow runs, no write of a variable may overtake a read of it.

The graph is the one after TensorFlow's graph optimizer, which drops edges. A race would show once in many runs;
the graph shows it each time.
"""

import pytest


def round_of(name, audit, build_tiny, examples, *, barrier=True, **settings):
    """Returns the audit of one traced round on images."""
    gan = build_tiny(name, width=2, **settings)
    if not barrier:

        def apply(gradients):
            for player, values in gradients.items():
                gan.optimizers[player].apply(values, getattr(gan, player).trainable_variables)

        gan.apply = apply
    with audit() as collected:
        gan.fit(examples(8), batch_size=2, verbose=0)
    return collected


@pytest.mark.filterwarnings("ignore::ganzoo.composition.UnsoundWarning")  # the paper's own combination
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("dragan", {"discriminator_steps": 2}),
        pytest.param("dragan", {"simultaneous": True}, marks=pytest.mark.long),
        ("dual_d_selu", {"penalty": "interpolates"}),
    ],
)
def test_every_write_has_its_place_among_the_reads(name, settings, audit, build_tiny, examples):
    pairs, unordered = round_of(name, audit, build_tiny, examples, **settings).unordered()
    assert pairs > 300
    assert not unordered


def test_without_the_barrier_a_write_may_overtake_a_read(audit, build_tiny, examples):
    """So the audit can find what it is for."""
    _, unordered = round_of("dragan", audit, build_tiny, examples, barrier=False).unordered()
    assert unordered
