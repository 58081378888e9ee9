"""Aggregates that a few bad clients cannot move far. Flower's, as they are.

FedMedian      w' = median_i(w_i), element by element           https://arxiv.org/abs/1803.01498
FedTrimmedAvg  the mean without the lowest and highest share    https://arxiv.org/abs/1803.01498
Krum           the w_i closest to its n - f - 2 neighbours      https://arxiv.org/abs/1703.02757
MultiKrum      the mean of the m best by Krum's score           https://arxiv.org/abs/1703.02757
"""

from __future__ import annotations

from pydantic import Field

from harness.components import StrategyMethod
from harness.document import Document
from harness_standard.strategies.fedavg import FedAvgParams
from harness_standard.strategies.from_flower import from_flower
from harness_standard.validity import supports

UNWEIGHTED = {"examples": "every client counts once"}
SELECTS = {"examples": "it selects clients by distance, whatever their examples"}


class FedTrimmedAvgParams(Document):
    """Trimmed mean."""

    beta: float = Field(0.2, ge=0, lt=0.5)
    """Share of the clients that is cut at each end."""


class KrumParams(Document):
    """Krum."""

    num_malicious_nodes: int = Field(1, ge=0)
    """f: bad clients among those sampled in a round."""


class MultiKrumParams(KrumParams):
    """MultiKrum."""

    num_nodes_to_select: int = Field(3, ge=1)
    """m: clients whose mean is taken."""


def _trims(params: FedTrimmedAvgParams, clients: int) -> str | None:
    if params.beta and not int(params.beta * clients):
        return (
            f"of {clients} clients a round, a share of {params.beta} at each end is none, which is"
            " a plain mean; set a larger fraction or beta"
        )
    return None


def _outnumbered(params: KrumParams, clients: int) -> str | None:
    bad = params.num_malicious_nodes
    if clients < 2 * bad + 3:
        return (
            f"{bad} bad ones of {clients} clients a round, where its paper asks for 2 f + 3 ="
            f" {2 * bad + 3}; set a larger fraction or a smaller strategy.num_malicious_nodes"
        )
    return None


def _selects(params: MultiKrumParams, clients: int) -> str | None:
    most = params.num_nodes_to_select
    if clients < most:
        return (
            f"the best {most} of {clients} clients a round are all of them; set a smaller"
            " strategy.num_nodes_to_select"
        )
    return _outnumbered(params, clients)


FEDMEDIAN = StrategyMethod(
    name="fedmedian",
    params=FedAvgParams,
    build=from_flower("FedMedian"),
    supports=supports("fedmedian"),
    broken_laws=UNWEIGHTED,
    formula="w' = median_i(w_i), element by element",
    paper="https://arxiv.org/abs/1803.01498",
)
FEDTRIMMEDAVG = StrategyMethod(
    name="fedtrimmedavg",
    params=FedTrimmedAvgParams,
    build=from_flower("FedTrimmedAvg"),
    supports=supports("fedtrimmedavg"),
    supports_clients=_trims,
    broken_laws=UNWEIGHTED,
    formula="w' = mean of w_i without the lowest and highest share beta, element by element",
    paper="https://arxiv.org/abs/1803.01498",
)
KRUM = StrategyMethod(
    name="krum",
    params=KrumParams,
    build=from_flower("Krum"),
    supports=supports("krum"),
    supports_clients=_outnumbered,
    broken_laws=SELECTS,
    formula="w' = w_k, k = argmin_i sum of ||w_i - w_j||^2 over the n - f - 2 nearest j",
    paper="https://arxiv.org/abs/1703.02757",
)
MULTIKRUM = StrategyMethod(
    name="multikrum",
    params=MultiKrumParams,
    build=from_flower("MultiKrum"),
    supports=supports("multikrum"),
    supports_clients=_selects,
    broken_laws=SELECTS,
    formula="w' = mean of the m clients that are best by Krum's score",
    paper="https://arxiv.org/abs/1703.02757",
)
