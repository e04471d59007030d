"""The 1,797 handwritten digits that scikit-learn brings along."""

import numpy as np

from ganzoo.data.examples import Examples
from ganzoo.data.resizing import fitted
from ganzoo.data.splits import parts_of

NAME = "digits"


def load_digits(split: str, size: tuple[int, int] | None, channels: int | None) -> Examples:
    """Returns handwritten digits, natively [N, 8, 8, 1], with labels 0..9; nothing is downloaded.

    `train` (1,437) and `test` (360) are one fixed shuffle of the file, 80 to 20, stratified by class.
    The file itself goes writer by writer. Cutting its last fifth off instead would test on handwriting
    of writers never seen, which is the harder and for a classifier the more honest split; but then train
    and test differ in distribution, and a score that compares generated with held-out images would
    measure that difference. So here each writer is in both splits: `test` is held-out images, not
    held-out writers.

    Args:
        split: `train`, `test`, or parts of them in TFDS' syntax.
        size: Height and width to resize to; None leaves 8 x 8.
        channels: 1, 3 or None for the native 1.
    """
    from sklearn.datasets import load_digits as bundled
    from sklearn.model_selection import train_test_split

    values, labels = bundled(return_X_y=True)
    grey = np.rint(values * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    order = np.arange(len(labels))
    train, test = train_test_split(order, test_size=0.2, stratify=labels, random_state=0)
    rows = {"train": train, "test": test}
    parts = parts_of(split, {name: len(part) for name, part in rows.items()})
    chosen = np.concatenate([rows[name][part] for name, part in parts])
    return Examples(NAME, split, fitted(grey[chosen], size, channels), labels[chosen].astype(np.int64))
