"""BogoNet: training procedures compared over random games, Kodali et al. 2018, section 3.2."""
