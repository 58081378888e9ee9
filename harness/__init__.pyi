# What `harness/__init__.py` loads on demand, for those who read types and not code.
import pluggy

from harness.interface import Plan as Plan
from harness.interface import Run as Run
from harness.interface import load as load
from harness.interface import plan as plan
from harness.interface import resume as resume
from harness.interface import run as run

__version__: str
hookimpl: pluggy.HookimplMarker
