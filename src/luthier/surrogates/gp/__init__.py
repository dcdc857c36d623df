"""The Gaussian process: kernel, warps, hyperparameters, posterior."""
