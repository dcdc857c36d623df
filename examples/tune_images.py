"""`luthier tune image` from Python: nine steps from data to a model that was judged once on sealed data."""

from luthier.tasks.image import ImageTask, load_images, load_model
from luthier.workflow import tune

if __name__ == "__main__":
    outcome = tune(ImageTask("digits", epochs=15), "runs/digits", trials=20, top=3, jobs=2)
    best, baseline = outcome.check.best, outcome.check.baseline
    print(f"{outcome.name}: test accuracy {best.estimate:.3f}, where the baseline has {baseline.estimate:.3f}")
    for name, value in outcome.params.items():
        print(f"  {name} = {value}")
    labels, _ = load_model(outcome.model).predict(load_images("digits").images[:10])
    print("the first ten images:", *labels)
    print(outcome.report)
