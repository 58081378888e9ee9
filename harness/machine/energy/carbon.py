"""CO2 of a run's energy by the factor that codecarbon ships for a country; nobody is asked.

Source: `data/private_infra/global_energy_mix.json` of the package `codecarbon`, grams of CO2
equivalent a kilowatt-hour.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from pathlib import Path

from harness.document.reading import read_json
from harness.errors import MissingExtraError, UsageError, how_to_install
from harness.record.machine import Factor

TABLE = "data/private_infra/global_energy_mix.json"


def factor_of(country: str) -> Factor:
    """Return the factor of a country.

    codecarbon itself is not imported: its table is data.

    Args:
        country: ISO 3166 code of three letters, such as `DEU`.

    Raises:
        MissingExtraError: codecarbon is not installed.
        UsageError: it has no such country.
    """
    found = importlib.util.find_spec("codecarbon")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError(f"CO2 needs codecarbon's table; {how_to_install('energy')}")
    table = read_json(Path(found.submodule_search_locations[0]) / TABLE)
    if country not in table:
        raise UsageError(
            f"--country {country!r:.20}: no country of codecarbon's table; expected an ISO 3166"
            " code of three letters, such as DEU"
        )
    entry = table[country]
    version = importlib.metadata.version("codecarbon")
    return Factor(
        grams_per_kwh=float(entry["carbon_intensity"]),
        country=country,
        source=f"codecarbon {version}, {Path(TABLE).name}, {entry['year']}",
    )
