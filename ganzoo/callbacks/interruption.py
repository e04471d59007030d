"""A run that is told to end: SIGTERM, as machines that are taken away send it, and the first Ctrl-C."""

import signal
import threading

import keras

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(Exception):
    """The round after which a run was told to end is over, its epoch is not."""


class StopOnSignal(keras.callbacks.Callback):
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
        if self.caught and batch + 1 < self.params["steps"] and not self.model.stop_training:
            raise Interrupted

    def on_epoch_end(self, epoch, logs=None):
        if self.caught:
            self.model.stop_training = True
