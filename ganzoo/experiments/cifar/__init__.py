"""Games of CIFAR-10 images: at `short` with narrow networks, scored by a classifier of the data set."""
