"""A recipe: what a participant proposes. Data only; it names components, it holds none.

Defaults are the finance template's (FlowerTune, flwrlabs, 2026-03) unless a line says otherwise.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from harness.boards.board import default_board
from harness.boards.open_division import HUB_ID, Division, OpenRules
from harness.codec.choice import Codec
from harness.document import Document

NAME = r"^[a-z0-9][a-z0-9._-]*$"
"""Names of recipes and components: lower case, digits, dot, underscore, hyphen."""

COMPONENT = r"^([a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$"
"""`plugin/component`, or a bare component name: the recipe's own plugin's."""

MODEL = r"^([A-Za-z0-9][A-Za-z0-9._-]*/)?[A-Za-z0-9][A-Za-z0-9._-]*$"
"""A component as above, or `organisation/model` as the Hugging Face hub names one."""

FILE_PLUGIN = "file"
"""What stands for the plugin in a spec whose recipe came out of a file; no plugin may be called so.
"""

CURRENCIES = frozenset(
    {
        "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
        "BGN", "BHD", "BIF", "BMD", "BND", "BOB", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD",
        "CDF", "CHF", "CLP", "CNY", "COP", "CRC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD",
        "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GNF", "GTQ",
        "GYD", "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JMD", "JOD",
        "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR",
        "LRD", "LSL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRU", "MUR", "MVR",
        "MWK", "MXN", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN",
        "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB", "RWF", "SAR", "SBD", "SCR",
        "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP", "SZL", "THB",
        "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "UYU", "UZS",
        "VED", "VES", "VND", "VUV", "WST", "XAF", "XCD", "XOF", "XPF", "YER", "ZAR", "ZMW", "ZWG",
    }
)  # fmt: skip
"""Currencies in which something can be paid. Source: ISO 4217, list one, without funds and metals.
"""

ALPACA = (
    "Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request."
    "\n### Instruction:\n{instruction} {input}\n### Response: {output}"
)
"""Source: FLOWERTUNE finance template, `formatting_prompts_func` and `formatting`."""


class Prompt(Document):
    """How one training example becomes text, and where its response begins."""

    style: Literal["text", "chat"] = "text"
    """`text`: the template below; `chat`: the tokenizer's chat template (ChatML for SmolLM2), the
    loss starting after its generation prompt."""
    template: str = ALPACA
    """Style text: Python format string over `instruction`, `input` and `output`."""
    response_marker: str = "### Response:"
    """Style text: text after whose last token the loss starts; exactly once in the template."""
    system: str = ""
    """Style chat: the system message; empty: the chat template's own, if it has one."""
    user: str = "{instruction}\n{input}"
    """Style chat: format string of the user's message; the response is `output`."""
    template_arguments: dict[str, bool | int | str] = Field({}, exclude_if=lambda given: not given)
    """Style chat: arguments of the chat template by name, {"enable_thinking": false}."""
    append_eos: bool = False
    """Append the tokenizer's EOS to the response and train on it; the template does not."""


class RowFilter(Document):
    """Keeps or drops rows of the fixed data set, by a regular expression."""

    column: Literal["instruction", "input", "output"]
    pattern: str
    """Python regular expression, searched for anywhere in the column. It has no groups, and an
    alternative has one repetition at most, bounded or behind `^`, so that any text is matched in
    time linear in its length."""
    keep: Literal["matching", "others"] = "matching"


class DataSpec(Document):
    """What a recipe makes of the fixed data set's rows, before the prompt. Filters come first.

    A client's weight stays the size of its partition: that is the challenge's.
    """

    filters: tuple[RowFilter, ...] = Field((), max_length=100, fail_fast=True)
    """A row is kept when every filter keeps it."""
    instruction: str = "{instruction}"
    """Format string over the row's `instruction`, `input` and `output`; the new instruction."""
    input: str = "{input}"
    """As `instruction`; the new input."""
    output: str = "{output}"
    """As `instruction`; the new output."""
    output_map: dict[str, str] = Field({}, max_length=10_000)
    """Whole outputs to replace, first of all: {"moderately positive": "positive"}."""


class TrainSpec(Document):
    """The federation and the local training of one recipe."""

    rounds: int = Field(200, ge=1, le=100_000)
    fraction: float = Field(0.1, gt=0, le=1)
    """Share of the supernodes sampled per round."""
    max_steps: int = Field(10, ge=1)
    """Optimizer steps per client and round."""
    batch_size: int = Field(16, ge=1)
    """Examples per forward pass."""
    gradient_accumulation_steps: int = Field(1, ge=1)
    learning_rate_max: float = Field(5e-5, gt=0)
    learning_rate_min: float = Field(1e-6, ge=0)
    round_schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """Rate of round t of T. cosine: min + (max-min)/2 * (1 + cos(pi*t/T)), as the template;
    linear: min + (max-min) * (1 - t/T); constant: max."""
    step_schedule: Literal["constant", "linear", "cosine"] = "constant"
    """Within a round, over its steps k = 0..K-1: the round's rate times 1, 1 - k/K or
    (1 + cos(pi*k/K)) / 2."""
    warmup_steps: int = Field(0, ge=0)
    """First steps of each round, whose rate is also multiplied by (k + 1) / (warmup_steps + 1)."""
    optimizer: Literal[
        "adamw_torch",
        "adamw_8bit",
        "paged_adamw_8bit",
        "paged_adamw_32bit",
        "lion_8bit",
        "lion_32bit",
        "adafactor",
        "sgd",
    ] = "adamw_torch"
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, gt=0)
    """Source: transformers `TrainingArguments` default."""
    seq_length: int = Field(512, ge=8)
    """Longest example in tokens; longer ones are cut on the right."""
    data_order: Literal["fixed", "per-round"] = "fixed"
    """`fixed`: the same first rows in every round, as the template; `per-round`: a new order."""
    data: DataSpec = DataSpec()
    prompt: Prompt = Prompt()
    exact_peft: bool = Field(False, exclude_if=lambda asked: not asked)
    """Train with peft's own layers on padded batches, at about half the speed: DoRA's dropout is
    then peft's, and every random draw falls as in a plain loop."""
    codec: Codec | None = Field(None, exclude_if=lambda chosen: chosen is None)
    """How the numbers of messages travel; None: as float32, each tensor by itself."""
    save_every_rounds: int = Field(5, ge=1)
    """Every so many rounds, and after the last, the adapter is kept for good."""


class Choice(Document):
    """A named component and its parameters, validated by the component's own document."""

    name: str = Field(pattern=COMPONENT)
    params: dict[str, Any] = Field({}, max_length=1_000)


def _unsaid(value: object) -> bool:
    return value is None


class WarmStart(Document):
    """An adapter that clients start from, in place of the seeded one."""

    adapter: str = Field(pattern=HUB_ID)
    """`organisation/name`, found where models are: `models/organisation/name/` of a mirror."""
    revision: str = "main"
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Of its `adapter_model.safetensors`."""


class Extensions(Document):
    """What of a client's training is not the harness's own: a component of each kind at most."""

    loss: Choice | None = Field(None, exclude_if=_unsaid)
    optimizer: Choice | None = Field(None, exclude_if=_unsaid)
    """In place of `train.optimizer`, which stays at its default."""
    rows: Choice | None = Field(None, exclude_if=_unsaid)
    ranks: Choice | None = Field(None, exclude_if=_unsaid)
    loop: Choice | None = Field(None, exclude_if=_unsaid)
    warm_start: WarmStart | None = Field(None, exclude_if=_unsaid)

    @property
    def components(self) -> dict[str, Choice]:
        """Kind -> the component that is chosen, in the order above."""
        kinds = (name for name in type(self).model_fields if name != "warm_start")
        return {kind: chosen for kind in kinds if (chosen := getattr(self, kind)) is not None}


NO_EXTENSIONS = Extensions()


class Price(Document):
    """An hourly price table from which the cost of a run is derived."""

    currency: str = "USD"
    """ISO 4217."""
    per_hour: dict[str, Annotated[float, Field(ge=1e-6, le=1e9)]] = Field(
        min_length=1, max_length=100
    )
    """Item -> price per hour; the cost is their sum times the measured hours. No currency is so
    large or so small that an hour of a machine lies outside."""

    @field_validator("currency")
    @classmethod
    def _is_a_currency(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError("a currency by ISO 4217, such as USD, EUR or CNY")
        return value


class Recipe(Document):
    """One proposal: a model, a PEFT method, a strategy and their hyper-parameters."""

    name: str = Field(pattern=NAME)
    title: str
    challenge: str | None = Field(default_factory=default_board)
    """Board that the recipe is made for; None: for any, with the board's own prompt where the
    recipe has none. Without `--challenge` that is the default board."""
    model: Annotated[str, Field(pattern=MODEL)] | dict[str, Any]
    """A component, a hub id whose config.json says the rest, or the fields of a ModelSpec as
    `harness model` prints them."""
    peft: Choice
    strategy: Choice
    train: TrainSpec
    extensions: Extensions = Field(NO_EXTENSIONS, exclude_if=lambda item: item == NO_EXTENSIONS)
    price: Price | None = None
    division: Division = Field("closed", exclude_if=lambda division: division == "closed")
    """`open`: the run may change what the board fixes, and ranks nowhere."""
    open: OpenRules = Field(OpenRules(), exclude_if=lambda rules: rules == OpenRules())
    """Division `open`: what is changed."""
    default: bool = False
    """Whether `--plugin P` alone means this recipe; a plugin with one recipe needs no flag."""
