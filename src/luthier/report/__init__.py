"""Reports: a study as one HTML file that opens offline."""

from .sections import Step as Step
from .write import StudyLike as StudyLike
from .write import machine_facts as machine_facts
from .write import write_report as write_report
