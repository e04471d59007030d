"""Games of points in the plane: minutes each."""
