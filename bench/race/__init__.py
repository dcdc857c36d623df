"""A race between hyperparameter tuners: the same problems, the same calls, the same arithmetic for all of them."""
