"""A trained classifier in a folder: `weights.pt` (tensors alone) and `model.json` (all that is needed to use them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ...errors import StorageError
from ...train import predict
from ..about import read_about, write_about
from .network import CnnSettings, build_cnn
from .pixels import Reading
from .split import Normalization, Prepared
from .unlabelled import ModelImages, as_model_images, load_unlabelled

TASK = "image"


@dataclass(frozen=True, eq=False)
class Predictor:
    """A model with what turns images into its inputs and its outputs into classes.

    >>> import numpy as np
    >>> from luthier.tasks.image import ImageTask, load_model, save_model
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> trained = task.train(task.space.defaults(), seed=0)
    >>> folder = save_model("model", trained.model, trained.params, task.prepared)
    >>> labels, probabilities = load_model(folder).predict(np.zeros((3, 8, 8)))
    >>> probabilities.shape
    (3, 10)

    Attributes:
        model: the network.
        classes: names of its classes.
        shape: (c, h, w) of one input.
        normalization: of the data it was trained on.
        white: the pixel value of full brightness in that data.
        params: the configuration it was trained with.
        details: whatever was saved beside it, such as its accuracy.
        low: the least pixel value in that data.
        reading: how that data's files were read.
    """

    model: nn.Module
    classes: tuple[str, ...]
    shape: tuple[int, int, int]
    normalization: Normalization
    white: float
    params: dict[str, Any]
    details: dict[str, Any]
    low: float = 0.0
    reading: Reading = field(default_factory=Reading)

    def load(
        self, source: str | Path, *, white: float | None = None, skip_broken: bool = False
    ) -> tuple[list[str], ModelImages]:
        """Names and images (n, h, w, c) of an .npz or .npy file, a folder or an image file, as the model takes them.

        Files are read as those that the model was trained on. Arrays of another unit of brightness, such as 0 to 1 for
        a model of 0 to 255, are scaled with a warning where the unit is plain, and refused where it is not.

        Args:
            source: where they are.
            white: full brightness in arrays, and in files of more than 8 bits; None to recognise it.
            skip_broken: leave out image files that cannot be read.

        Raises:
            DataError: as for `load_unlabelled`.
        """
        return load_unlabelled(
            source,
            self._shape,
            self.white,
            low=self.low,
            reading=self.reading,
            own_white=white,
            skip_broken=skip_broken,
        )

    def predict(self, images: NDArray[Any], *, white: float | None = None) -> tuple[list[str], NDArray[np.float64]]:
        """The likeliest class of each image, and the probabilities (n, classes) of all.

        Args:
            images: what `load` gave; or (n, h, w, c), (n, h, w), (n, c, h, w), or one image (h, w, c) or (h, w).
                They are resized and turned to the model's channels if need be.
            white: full brightness in them; None to recognise it, as `load` does.

        Raises:
            DataError: axes, channels or values that cannot be what the model takes.
        """
        images = images if isinstance(images, ModelImages) else np.asarray(images)
        if images.ndim == 4 and len(images) == 0:
            return [], np.empty((0, len(self.classes)))
        fitting = as_model_images(images, self._shape, self.white, low=self.low, own_white=white)
        inputs = self.normalization(np.asarray(fitting))
        probabilities = predict(self.model, inputs).double().softmax(dim=1).cpu().numpy()
        return [self.classes[i] for i in probabilities.argmax(axis=1)], probabilities

    @property
    def _shape(self) -> tuple[int, int, int]:
        """(h, w, c) of one image."""
        channels, height, width = self.shape
        return height, width, channels


def save_model(
    folder: str | Path,
    model: nn.Module,
    params: Mapping[str, Any],
    prepared: Prepared,
    details: Mapping[str, Any] | None = None,
) -> Path:
    """Write a trained model; an older one in the folder is replaced.

    >>> from luthier.tasks.image import ImageTask, save_model
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> trained = task.train(task.space.defaults(), seed=0)
    >>> folder = save_model("model", trained.model, trained.params, task.prepared)
    >>> sorted(path.name for path in folder.iterdir())
    ['model.json', 'weights.pt']

    Args:
        folder: made if it does not exist.
        model: what `build_cnn` made for `params`, trained.
        params: its configuration; JSON.
        prepared: the data it was trained on: classes, shape and normalisation are kept, no image is.
        details: anything else to keep, such as accuracies; JSON.

    Returns:
        the folder.

    Raises:
        StorageError: it cannot be written.
    """
    folder = Path(folder)
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.json").unlink(missing_ok=True)  # so that it never stands beside another's weights
        torch.save(state, folder / "weights.pt")
    except OSError as error:
        raise StorageError(f"the model cannot be written to {folder}: {error}") from error
    return write_about(
        folder,
        TASK,
        details,
        network=asdict(CnnSettings.from_params(params)),
        classes=list(prepared.classes),
        shape=list(prepared.shape),
        mean=list(prepared.normalization.mean),
        std=list(prepared.normalization.std),
        white=prepared.white,
        low=prepared.low,
        reading=prepared.reading.to_json(),
        data=prepared.name,
        params=dict(params),
    )


def load_model(folder: str | Path) -> Predictor:
    """Return the model that `save_model` wrote, on the CPU, ready to predict. Nothing in the files is executed.

    >>> from luthier.tasks.image import ImageTask, load_model, save_model
    >>> task = ImageTask("digits", epochs=1, limit=200)
    >>> trained = task.train(task.space.defaults(), seed=0)
    >>> folder = save_model("model", trained.model, trained.params, task.prepared)
    >>> load_model(folder).classes[:3]
    ('0', '1', '2')

    Raises:
        StorageError: the file is missing, it is of a newer format or of another task, or it is damaged.
    """
    folder = Path(folder)
    about = read_about(folder, TASK)
    try:
        channels, height, width = (int(x) for x in about["shape"])
        classes = tuple(str(x) for x in about["classes"])
        normalization = Normalization(tuple(map(float, about["mean"])), tuple(map(float, about["std"])))
        model = build_cnn((channels, height, width), len(classes), CnnSettings(**about["network"]))
        model.load_state_dict(torch.load(folder / "weights.pt", map_location="cpu", weights_only=True))
        white, params, details = float(about["white"]), dict(about["params"]), dict(about["details"])
        low, reading = float(about["low"]), Reading.from_json(about["reading"])
    except Exception as error:  # whatever damage can make torch and the settings raise
        raise StorageError(f"the model in {folder} is damaged ({error}): save it again") from error
    model.eval()
    return Predictor(model, classes, (channels, height, width), normalization, white, params, details, low, reading)
