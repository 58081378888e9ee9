"""flwr-datasets' partitioners, without the plots that its package imports beside them.

Source: flwr-datasets 0.5 to 0.6, `flwr_datasets/__init__.py`, which imports `visualization`, that
is matplotlib, seaborn and scipy.stats: 1.2 s of a processor in every client.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

PACKAGE, PLOTS = "flwr_datasets", "flwr_datasets.visualization"


def partitioners() -> Any:
    """Return the module `flwr_datasets.partitioner`; who asks for the plots later gets them."""
    if PACKAGE not in sys.modules:
        _import_without_plots()
    from flwr_datasets import partitioner

    return partitioner


def _import_without_plots() -> None:
    sys.modules[PLOTS] = ModuleType(PLOTS)
    try:
        import flwr_datasets
    finally:
        del sys.modules[PLOTS]
    del flwr_datasets.visualization
