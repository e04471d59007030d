"""Games on MNIST: mode collapse, and what it has to do with gradients."""
