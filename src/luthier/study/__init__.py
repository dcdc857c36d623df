"""Study: the face of a search: `create_study`, `load_study`, and what one can do with a study."""

from .create import create_study as create_study
from .create import load_study as load_study
from .manage import StudySummary as StudySummary
from .manage import copy_study as copy_study
from .manage import delete_study as delete_study
from .manage import studies as studies
from .records import create_trial as create_trial
from .study import Study as Study
