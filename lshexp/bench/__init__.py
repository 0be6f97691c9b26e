"""The bench: our networks beside PyTorch's and scikit-learn's, in time, memory and time to an accuracy.

`timing` measures passes of training and prediction, `summary` says what they come to, `target` trains to an
accuracy, `memory` finds peaks, `profile` shows where our own time goes, `machine` what it all ran on. A
competitor is one file of `competitors`.
"""
