"""Which of Keras' own callbacks a game of several optimizers can have."""

import keras

from ganzoo.data import Density, Examples
from ganzoo.errors import InputError

ONE_OPTIMIZER = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)
INSTEAD = {
    "SwapEMAWeights": "set ema_momentum: `generate` samples the averaged generator already",
}


def check_callbacks(callbacks, x=None) -> None:
    """Raises InputError for a callback that cannot do its work on a GAN with the data `x`.

    That is what drives `model.optimizer`, where a GAN has one a player; and BackupAndRestore on data whose order
    follows the round, since it restores the round when the data are lined up already.
    """
    given = getattr(callbacks, "callbacks", callbacks) or []
    for callback in given if isinstance(given, list | tuple) else [given]:
        if isinstance(callback, ONE_OPTIMIZER):
            name = type(callback).__name__
            cure = INSTEAD.get(
                name,
                "give each player's optimizer a Keras schedule as its learning_rate, in compile or recipe",
            )
            raise InputError(f"{name} drives one optimizer, a GAN has one a player: {cure}")
        if isinstance(callback, keras.callbacks.BackupAndRestore) and isinstance(x, Examples | Density):
            raise InputError(
                "BackupAndRestore would start over in data of ganzoo.data.load: use ganzoo.train, which resumes exactly"
            )
