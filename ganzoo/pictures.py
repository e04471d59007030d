"""Pictures of a run: sample grids, latent walks, loss curves."""

import contextlib
import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ganzoo.errors import InputError
from ganzoo.files import written
from ganzoo.noise import slerp

GAP_LEVEL = 96
WALK_FRAMES = 12  # from one sample to the next


def grid(images: np.ndarray, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Returns uint8 images [N, H, W, C] in rows and columns, `gap` grey pixels apart and around."""
    count, height, width, channels = images.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + gap, width + gap, channels), GAP_LEVEL, np.uint8)
    cells[:count, gap:, gap:] = images
    cells = cells.reshape(rows, columns, height + gap, width + gap, channels).swapaxes(1, 2)
    sheet = cells.reshape(rows * (height + gap), columns * (width + gap), channels)
    return np.pad(sheet, [(0, gap), (0, gap), (0, 0)], constant_values=GAP_LEVEL)


def save_image(image: np.ndarray, path: str | os.PathLike, longer_side: int = 512) -> None:
    """Writes one uint8 image [H, W, C] with 1, 3 or 4 channels, enlarged in whole pixels if it is small."""
    with written(path) as temporary:
        _pillow(image, longer_side).save(temporary)


def _pillow(image: np.ndarray, longer_side: int):
    from PIL import Image

    if image.shape[-1] not in (1, 3, 4):
        raise InputError(f"images of {image.shape[-1]} channels cannot be shown; 1, 3 or 4 can")
    factor = max(1, math.ceil(longer_side / max(image.shape[:2])))
    image = image.repeat(factor, 0).repeat(factor, 1)
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def save_samples(samples: np.ndarray, path: str | os.PathLike) -> None:
    """Writes a grid of uint8 images [N, H, W, C], or a scatter of points float32 [N, D]."""
    if samples.ndim == 4:
        save_image(grid(samples), path)
        return
    axes = samples[:, :2] if samples.shape[1] > 1 else np.c_[samples, np.zeros(len(samples))]
    with figure(path) as drawing:
        plot = drawing.add_subplot(aspect="equal")
        plot.scatter(*axes.T, s=4, alpha=0.5)
        plot.set_title(f"{len(samples)} samples")


def latent_walk(stations: np.ndarray, frames: int) -> np.ndarray:
    """Returns latents of a closed walk through `stations` [N, latent_dim], `frames` from one to the next."""
    fractions = np.tile(np.linspace(0, 1, frames, endpoint=False, dtype=np.float32), len(stations))
    following = np.roll(stations, -1, axis=0)
    return slerp(stations.repeat(frames, 0), following.repeat(frames, 0), fractions).numpy()


def save_walk(frames: np.ndarray, path: str | os.PathLike, seconds: float = 0.08) -> None:
    """Writes uint8 frames [N, H, W, C] as an endless animated GIF."""
    first, *others = (_pillow(frame, 256) for frame in frames)
    with written(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=round(1000 * seconds), loop=0)


def save_curves(history: str | os.PathLike, path: str | os.PathLike) -> None:
    """Draws the terms of a history file (see `ganzoo.callbacks.History`) over the rounds, a panel a player."""
    with open(history, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [int(row["step"]) for row in rows]
    players: dict[str, list[str]] = {}
    for name in rows[0]:
        if "/" in name:
            players.setdefault(name.split("/")[0], []).append(name)
    with figure(path, height=2.2 * len(players)) as drawing:
        panels = drawing.subplots(len(players), 1, sharex=True, squeeze=False)[:, 0]
        for panel, (player, names) in zip(panels, players.items(), strict=True):
            for name in names:
                panel.plot(steps, [float(row[name]) for row in rows], label=name.split("/")[1])
            panel.set_title(player, fontsize=9)
            panel.legend(fontsize=8)
            panel.grid(alpha=0.3)
        panels[-1].set_xlabel("round")


def draw(generator, output: str | os.PathLike, n: int | None = None, seed: int = 0, truncation=math.inf) -> None:
    """Writes samples of an exported generator as what `output` is.

    Args:
        generator: an `ganzoo.exported.ExportedGenerator`.
        output: `.png`, a grid; `.gif`, a walk through the latents of n samples; `.npz`, an array `samples`;
            a folder, single PNG files by index.
        n: how many; 64 if not given, of a walk 8.
        seed: any int64.
        truncation: standard deviations at which the latents are cut.

    Raises:
        InputError: if `output` is of another kind or cannot be written, or an argument is impossible.
    """
    output = Path(output)
    if output.suffix not in ("", ".png", ".gif", ".npz"):
        raise InputError(f"output={str(output)!r}: give a .png, .gif or .npz file, or a folder")
    if len(generator.manifest.image_shape) == 1 and output.suffix in ("", ".gif"):
        raise InputError(f"output={str(output)!r}: points are no pictures; give a .png (a scatter) or .npz file")
    if n is None:
        n = 8 if output.suffix == ".gif" else 64
    try:
        if output.suffix == ".gif":
            walk = latent_walk(generator.latents(n, seed, truncation), WALK_FRAMES)
            save_walk(generator.images(walk), output)
            return
        samples = generator.sample(n, seed, truncation)
        if output.suffix == ".png":
            save_samples(samples, output)
        elif output.suffix == ".npz":
            with written(output) as temporary:
                np.savez_compressed(temporary, samples=samples)
        else:
            for index, image in enumerate(samples):
                save_image(image, output / f"{index:06d}.png", longer_side=1)
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror or error}") from None


@contextlib.contextmanager
def figure(*paths: str | os.PathLike, width: float = 7.0, height: float = 5.0) -> Iterator:
    """Yields a Matplotlib figure, inches, that is written to every path at the end; needs no display."""
    import matplotlib
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(width, height), layout="constrained")
    try:
        yield drawing
        drawing.draw_without_rendering()  # the layout makes room for a label only where it was at the last drawing
        # The same drawing is the same bytes: no date, no random names of an SVG's parts.
        with matplotlib.rc_context({"svg.hashsalt": "ganzoo"}):
            for path in paths:
                with written(path) as temporary:
                    drawing.savefig(temporary, dpi=120, metadata={"Date": None} if temporary.suffix == ".svg" else None)
    finally:
        drawing.clear()  # artists and figure hold each other: megabytes a picture, until the collector comes


def pixels(drawing) -> np.ndarray:
    """Returns a Matplotlib figure as a picture, uint8 [H, W, 3]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
