"""Image classification: data from names, folders and files; a searched network; a model file that predicts."""

from .. import _libraries as _libraries  # first: says what is missing
from .augment import Augmentation as Augmentation
from .augment import augmentation_space as augmentation_space
from .data import ImageData as ImageData
from .load import load_images as load_images
from .model_file import Predictor as Predictor
from .model_file import load_model as load_model
from .model_file import save_model as save_model
from .network import CnnSettings as CnnSettings
from .network import build_cnn as build_cnn
from .network import count_parameters as count_parameters
from .network import network_space as network_space
from .split import Normalization as Normalization
from .split import Prepared as Prepared
from .split import prepare as prepare
from .task import ImageTask as ImageTask
from .task import TrainedNetwork as TrainedNetwork
from .task import default_space as default_space
from .unlabelled import load_unlabelled as load_unlabelled
