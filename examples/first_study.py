"""A network of scikit-learn's digits, tuned where the objective defines its own space."""

from sklearn.datasets import load_digits
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

import luthier as lt

X, y = load_digits(return_X_y=True)


def objective(trial: lt.Trial) -> float:
    """Mean accuracy over three folds."""
    layers = trial.suggest_int("layers", 1, 2)
    model = MLPClassifier(
        hidden_layer_sizes=[trial.suggest_int(f"width_{i}", 8, 64, log=True) for i in range(layers)],
        learning_rate_init=trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        activation=trial.suggest_categorical("activation", ["relu", "tanh"]),
        early_stopping=True,
        random_state=0,
    )
    return float(cross_val_score(model, X / 16, y, cv=3).mean())


if __name__ == "__main__":
    study = lt.create_study(direction="maximize", storage="digits.db", study_name="mlp", load_if_exists=True, seed=0)
    study.optimize(objective, total_trials=20, n_jobs=2, show_progress_bar=True)
    print(study.best_value, study.best_params)
    print(study.space)  # learned on the way: width_1 exists if layers >= 2
