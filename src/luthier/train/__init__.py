"""Training neural networks with PyTorch: one loop, with what a search over it needs."""

from .checkpoint import load_checkpoint as load_checkpoint
from .checkpoint import save_checkpoint as save_checkpoint
from .data import Tensors as Tensors
from .early_stopping import EarlyStopping as EarlyStopping
from .evaluation import evaluate as evaluate
from .evaluation import predict as predict
from .gradients import GradientMonitor as GradientMonitor
from .initialize import initialize as initialize
from .losses import make_loss as make_loss
from .optimizers import make_optimizer as make_optimizer
from .schedules import Schedule as Schedule
from .schedules import rate_factor as rate_factor
from .seeding import seeded as seeded
from .seeding import threads as threads
from .settings import TrainSettings as TrainSettings
from .space import training_space as training_space
from .space import tunables as tunables
from .trainer import EpochResult as EpochResult
from .trainer import FitResult as FitResult
from .trainer import fit as fit
