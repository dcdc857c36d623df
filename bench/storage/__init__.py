"""What the stores cost: Luthier's beside Optuna's, in one run on one machine."""
