"""Luthier tunes the hyperparameters of neural networks."""
