"""stub"""

import numpy as np


def scales(shape):
    return 1


def ms_ssim(a, b):
    return np.ones(len(a))
