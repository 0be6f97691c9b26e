"""The competitors at an output layer: each module of this package is a family, as `task.Family` describes it.

All of them get the same activations of a hidden layer and go forward, form the gradients of the layer and of
its input, and step; the step is Adam, lazy wherever only some rows have a gradient.
"""
