"""What all experiments on one paper's method say of how it is played."""

DRAGAN = (
    "DRAGAN's penalty is on the logit, with the uniform noise of the authors' notebook, for equation 1's on the "
    "probability, with Gaussian noise"
)
PLAIN_GAME = "the vanilla game is the non-saturating one"
