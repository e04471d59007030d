"""A long run takes no more memory than a short one: `train` with its tables, pictures, checkpoints and its watch."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest

ROUNDS = 20_000
WARM = 2_000  # rounds after which all pools, caches and tables' first rows are there
RECIPE = f"""
variant = "dcgan"

[gan]
latent_dim = 4
networks.generator = {{ architecture = "mlp", width = 4 }}
networks.discriminator = {{ architecture = "mlp", width = 4 }}

[data]
dataset = "ring8"
batch_size = 8

[train]
steps = {ROUNDS}
checkpoint_steps = 250
watch_steps = 25
deterministic = false
"""


def resident():
    """Returns the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measured(folder):
    """Trains; returns the steps, the memory at each, and what was traced after the second round and at the end."""
    import ganzoo
    from ganzoo.callbacks import looks

    curve, counts, seen = [], {}, []
    made = looks.Looks.__init__

    def remembered(self, *args):
        made(self, *args)
        seen.append(self)

    looks.Looks.__init__ = remembered

    class Measure(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            step = int(self.model.step.numpy())
            if step in (2, ROUNDS):
                counts[step] = self.model.train_function_traces()
            if step % 500 == 0:
                curve.append((step, resident()))

    folder = Path(folder)
    (folder / "run.toml").write_text(RECIPE)
    traces = 0

    def count(function):
        def traced(*args):
            nonlocal traces
            traces += 1
            return function(*args)

        return traced

    cls = ganzoo.registry.variant("dcgan")
    cls.train_step = count(cls.train_step)
    cls.train_function_traces = lambda self: traces
    ganzoo.train(str(folder / "run.toml"), folder / "run", callbacks=[Measure()])
    return curve, counts[2], counts[ROUNDS], seen[0]._outputs.experimental_get_tracing_count()


@pytest.mark.long
def test_memory_is_flat_and_nothing_is_traced_again(in_process, tmp_path):
    curve, after_two, at_end, looks = in_process("test_memory", "measured", str(tmp_path), timeout=3600)
    assert curve[-1][0] == ROUNDS
    assert at_end == after_two
    assert looks == 1
    # Medians of a tenth of the run: single readings depend on what the allocator just gave back.
    start = np.median([memory for step, memory in curve if WARM <= step <= 2 * WARM])
    end = np.median([memory for step, memory in curve if step > ROUNDS - WARM])
    print([f"{step}: {memory / 2**20:.1f} MiB" for step, memory in curve])
    assert end < 1.02 * start
