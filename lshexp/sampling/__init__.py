"""Hash tables as samplers: of examples for gradient descent, and of classes for sums over all of them."""
