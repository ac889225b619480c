"""The format of a scenario file, as models: what may stand where (``docs/scenarios.md``).

pydantic is used because text from outside enters here: it reports every fault at once, and the JSON Schema that editors
use is generated from these very models. Nothing here knows how a scenario is played.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from esm_emulator.scenario.fields import (
    Compared,
    ComparedNumber,
    ComparedOutcome,
    Count,
    Diagnosed,
    Duration,
    Name,
    NoBoolean,
    OneLine,
    Outcome,
    Rate,
    Version,
    Warned,
)

__all__ = [
    "Action",
    "Allowed",
    "Attribute",
    "Behavior",
    "Distribution",
    "ExpectModel",
    "FaultModel",
    "MessageExpectation",
    "MessageFacts",
    "OneMessage",
    "RuleModel",
    "ScenarioModel",
    "SendModel",
    "StepModel",
    "StopModel",
    "TimelineExpectation",
    "TypedAttribute",
    "VariantModel",
    "Where",
]


_MAY_BE_NOTHING = frozenset({"body", "return_"})  # any JSON, and null is JSON


class _Model(BaseModel):
    """A mapping of the file: no key but its own, and no key without a value."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _something(cls, value: Any, info: ValidationInfo) -> Any:
        """``purge:`` with nothing behind it would be taken as if it were not there; nobody writes it to say that."""
        field = cls.model_fields[str(info.field_name)]
        if value is None and field.default is None and info.field_name not in _MAY_BE_NOTHING:
            raise ValueError("takes a value, not nothing; leave the key out if nothing is meant")
        return value


def _one_of(model: BaseModel, *names: str) -> None:
    """Raise ``ValueError`` unless exactly one of these fields was given."""
    keys = {name: type(model).model_fields[name].alias or name for name in names}
    given = [key for name, key in keys.items() if name in model.model_fields_set]
    if len(given) != 1:
        said = f"not {' and '.join(given)} together" if given else "none of them is here"
        raise ValueError(f"takes exactly one of {', '.join(keys.values())}; {said}")


# --- behavior -----------------------------------------------------------------------------------------------


class When(_Model):
    """What an invocation must be for a rule to decide it; several conditions must all hold."""

    receive: Count | None = None
    invocation: Count | None = None
    body: dict[str, Any] | list[Any] | None = None


class LogNormal(_Model):
    """A log-normal distribution by its median; ``sigma`` is of the logarithm."""

    median: Duration
    sigma: float = Field(ge=0)


class Distribution(_Model):
    """A duration that is drawn from the run's seed, or grows with the batch."""

    each: Duration | None = None
    uniform: tuple[Duration, Duration] | None = None
    lognormal: LogNormal | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Distribution:
        _one_of(self, "each", "uniform", "lognormal")
        if self.uniform is not None and self.uniform[0] > self.uniform[1]:
            raise ValueError("takes the shorter duration of uniform first")
        return self


class Raise(_Model):
    """An exception of the handler."""

    type: str = "Exception"
    message: str = ""


class Action(_Model):
    """An action that takes an argument."""

    raise_: Raise | None = Field(None, alias="raise")
    return_: Any = Field(None, alias="return")
    fail: Literal["matching", "all"] | list[str] | None = None
    exit: int | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Action:
        _one_of(self, "raise_", "return_", "fail", "exit")
        return self


def _kind_of_takes(value: Any) -> str:
    if isinstance(value, dict | Distribution):
        return "distribution"
    return "measured" if value == "measured" else "duration"


def _kind_of_then(value: Any) -> str:
    return "action" if isinstance(value, dict | Action) else "word"


class RuleModel(_Model):
    """One rule of a function's behavior: the first that fits an invocation decides."""

    when: When = When()
    takes: Annotated[
        Annotated[Duration, Tag("duration")]
        | Annotated[Literal["measured"], Tag("measured")]
        | Annotated[Distribution, Tag("distribution")],
        Discriminator(_kind_of_takes),
    ] = 0
    then: (
        Annotated[
            Annotated[Literal["call", "succeed", "timeout"], Tag("word")] | Annotated[Action, Tag("action")],
            Discriminator(_kind_of_then),
        ]
        | None
    ) = None


Behavior = dict[str, list[RuleModel]]


# --- send ---------------------------------------------------------------------------------------------------


class TypedAttribute(_Model):
    """A message attribute with its SQS data type; a Binary value is base64 text."""

    Type: str
    Value: Annotated[str | int | float, NoBoolean]


Attribute = Annotated[str | int | float | TypedAttribute, NoBoolean]


class OneMessage(_Model):
    """One message of a list; what it leaves out stands on its entry."""

    body: Any = None
    label: Annotated[str, Field(min_length=1)] | None = None
    group: Name | None = None
    dedup: Name | None = None
    delay: Duration | None = None
    attributes: dict[str, Attribute] | None = None


class SendModel(OneMessage):
    """One entry of ``send``: one message, many of a kind, a list, or a file."""

    to: str
    at: Duration = 0
    count: int = Field(1, ge=0, le=10_000_000)
    every: Duration | None = None
    rate: Rate | None = None
    over: Duration | None = None
    messages: list[OneMessage] | None = None
    file: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> SendModel:
        _one_of(self, "body", "messages", "file")
        spreads = [name for name in ("every", "rate", "over") if getattr(self, name) is not None]
        if len(spreads) > 1:
            raise ValueError(f"takes one of every, rate and over, not {' and '.join(spreads)} together")
        if "body" not in self.model_fields_set and "count" in self.model_fields_set:
            raise ValueError("takes count with body only: a list or a file says itself how many there are")
        for number, message in enumerate(self.messages or (), start=1):
            if "body" not in message.model_fields_set:
                raise ValueError(f"takes messages with a body; number {number} has none")
        return self


# --- timeline and stop --------------------------------------------------------------------------------------


class Redrive(_Model):
    """StartMessageMoveTask."""

    from_: str = Field(alias="from")
    to: str | None = None
    rate: Rate | None = None


class FaultModel(_Model):
    """A fault: what is broken, and for those of chance how often."""

    throttle: str | None = None
    unavailable: str | None = None
    redeliver: str | None = None
    delete_fails: str | None = None
    chance: float | None = Field(None, ge=0, le=1)

    @model_validator(mode="after")
    def _exactly_one(self) -> FaultModel:
        _one_of(self, "throttle", "unavailable", "redeliver", "delete_fails")
        if self.chance is not None and not (self.redeliver or self.delete_fails):
            raise ValueError("takes chance with redeliver and delete_fails only")
        return self

    @property
    def kind(self) -> str:
        """Which fault it is."""
        return next(name for name in ("throttle", "unavailable", "redeliver", "delete_fails") if getattr(self, name))

    @property
    def target(self) -> str:
        """The logical id that it is about."""
        return str(getattr(self, self.kind))


class StepModel(_Model):
    """One step of the timeline."""

    at: Duration
    for_: Duration | None = Field(None, alias="for")
    set: dict[str, Any] | None = None
    disable: str | None = None
    enable: str | None = None
    redrive: Redrive | None = None
    purge: str | None = None
    fault: FaultModel | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> StepModel:
        _one_of(self, "set", "disable", "enable", "redrive", "purge", "fault")
        if self.for_ is not None and self.fault is None:
            raise ValueError("takes for with fault only")
        return self


class StopModel(_Model):
    """When the run ends."""

    when: Literal["idle", "drained", "never"] = "idle"
    after: Duration = 15 * 86_400_000


# --- expect -------------------------------------------------------------------------------------------------


class MessageFacts(_Model):
    """What must hold of a message; the same keys choose one in ``where``."""

    receives: ComparedNumber | None = None
    invocations: ComparedNumber | None = None
    successes: ComparedNumber | None = None
    failures: ComparedNumber | None = None
    overlap: ComparedNumber | None = None
    outcome: ComparedOutcome | None = None


class Where(_Model):
    """Which messages are meant; several conditions must all hold, none means all."""

    label: str | None = None
    in_: str | None = Field(None, alias="in")
    body: dict[str, Any] | list[Any] | None = None
    group: Name | None = None
    outcome: Outcome | None = None


class MessageExpectation(_Model):
    """What must hold of every, some or none of the messages that are meant."""

    where: Where = Where()
    every: MessageFacts | None = None
    some: MessageFacts | None = None
    none: MessageFacts | None = None
    count: ComparedNumber | None = None

    @model_validator(mode="after")
    def _says_something(self) -> MessageExpectation:
        if not self.model_fields_set & {"every", "some", "none", "count"}:
            raise ValueError("takes at least one of every, some, none and count")
        return self


class AllowedDiagnoses(_Model):
    """Diagnoses that may appear, beside others that must not."""

    allow: list[Diagnosed]


class AllowedWarnings(_Model):
    """Warnings that may appear, beside others that must not."""

    allow: list[Warned]


Allowed = AllowedDiagnoses | AllowedWarnings


def _kind_of_codes(value: Any) -> str:
    return "allowed" if isinstance(value, dict | AllowedDiagnoses | AllowedWarnings) else "exactly"


Diagnoses = Annotated[
    Annotated[list[Diagnosed], Tag("exactly")] | Annotated[AllowedDiagnoses, Tag("allowed")],
    Discriminator(_kind_of_codes),
]
Warnings = Annotated[
    Annotated[list[Warned], Tag("exactly")] | Annotated[AllowedWarnings, Tag("allowed")],
    Discriminator(_kind_of_codes),
]
Metrics = dict[str, dict[str, ComparedNumber]]
Invariant = Literal["no_message_lost", "fifo_order", "no_overlap", "max_concurrency"]


class TimelineExpectation(_Model):
    """One fact of the journal, in order; keys other than these are fields of the fact."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Compared] = Field(init=False)

    event: str
    at: Duration | None = None
    message: str | None = None


class ExpectModel(_Model):
    """What must come of the run."""

    stopped: Literal["idle", "drained", "after"] | None = None
    queues: Metrics = {}
    functions: Metrics = {}
    mappings: Metrics = {}
    messages: list[MessageExpectation] = []
    timeline: list[TimelineExpectation] = []
    invariants: list[Invariant] = []
    diagnoses: Diagnoses | None = None
    warnings: Warnings | None = None
    within: Duration | None = None


# --- the file -----------------------------------------------------------------------------------------------


class VariantModel(_Model):
    """The base with something changed, and expectations of its own."""

    set: dict[str, Any] = {}
    expect: ExpectModel | None = None
    description: str | None = None


class ScenarioModel(_Model):
    """A whole file. ``resources`` and ``variants`` are read further by the loader."""

    version: Version
    name: OneLine | None = None
    description: str = ""
    tags: list[str] = []
    clock: Literal["virtual", "real"] = "virtual"
    seed: int = 0
    profile: str | dict[str, Any] = "aws-2026"
    resources: dict[str, Any]
    behavior: Behavior = {}
    send: list[SendModel] = []
    timeline: list[StepModel] = []
    stop: StopModel = StopModel()
    expect: ExpectModel = ExpectModel()
    variants: dict[str, VariantModel | Literal["skip"]] = {}
    base: Literal["skip"] | None = None
