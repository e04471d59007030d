"""A run that is told to end: by a callback, by SIGTERM as machines that are taken away send it, by a first Ctrl-C.

Of several workers one may be told; all end after the same round, or the others would wait for one that has left.
"""

import signal
import threading

import keras

from ganzoo.strategies import agreed

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """The round after which a run was told to end is over, its epoch is not."""


class StopTogether(keras.callbacks.Callback):
    """Ends training on all workers after the round in which a callback of one of them ends it; to be the last."""

    def on_train_batch_end(self, batch, logs=None):
        (self.model.stop_training,) = agreed(self.model.distribute_strategy, self.model.stop_training)

    def on_epoch_end(self, epoch, logs=None):
        (self.model.stop_training,) = agreed(self.model.distribute_strategy, self.model.stop_training)


def together(callbacks) -> list[keras.callbacks.Callback]:
    """Returns what `fit` was given as callbacks, as a list that ends training on all workers at once."""
    given = getattr(callbacks, "callbacks", callbacks) or []
    given = list(given) if isinstance(given, list | tuple) else [given]
    return given if any(isinstance(each, StopTogether) for each in given) else [*given, StopTogether()]


class StopOnSignal(StopTogether):
    """Ends `fit` after the round in which SIGTERM or SIGINT came; a second Ctrl-C ends at once.

    Inside of an epoch by raising `Interrupted`, so that nothing takes the epoch for complete; after its last round,
    when everything has been saved, as Keras does. A context manager: outside of it, and in threads other than the
    main one, which get no signals, nothing is caught. To be the last callback.
    """

    def __init__(self):
        super().__init__()
        self.caught: signal.Signals | None = None
        self.before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self.catch) or signal.SIG_DFL for number in SIGNALS}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def catch(self, number, frame) -> None:
        self.caught = signal.Signals(number)
        if number == signal.SIGINT:  # of SIGTERM launchers may send several
            signal.signal(number, self.before[number])

    def on_train_batch_end(self, batch, logs=None):
        if self.told() and batch + 1 < self.params["steps"] and not self.model.stop_training:
            raise Interrupted

    def on_epoch_end(self, epoch, logs=None):
        if self.told():
            self.model.stop_training = True

    def told(self) -> bool:
        """Returns whether this worker or another one was told to end; shares what callbacks have said, too."""
        wishes = bool(self.caught), self.model.stop_training
        told, self.model.stop_training = agreed(self.model.distribute_strategy, *wishes)
        if told and not self.caught:
            self.caught = signal.SIGTERM  # another's
        return told
