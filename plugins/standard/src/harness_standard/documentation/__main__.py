"""`python -m harness_standard.documentation`."""

import sys

from harness_standard.documentation import main

sys.exit(main())
