"""CloudFormation's intrinsic functions, worked out as far as a file alone allows.

A :class:`Scope` knows one template's parameters, mappings, conditions and resources. What only a deployment knows (an
export of another stack, a secret, an attribute of a resource that is not emulated) is :class:`Unresolved`, with a
reason to tell; the caller decides what to leave out. Names of resources that are not emulated are their own names, or
their logical ids where the template leaves the name to AWS.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from esm_emulator.resources.models import ACCOUNT, REGION, function_arn, partition_of, queue_arn
from esm_emulator.validation import did_you_mean

__all__ = ["NO_VALUE", "NoSuchName", "Scope", "Unresolved", "is_intrinsic"]


class Unresolved(Exception):
    """A value that the file alone does not tell; the text says which and why, and is empty when it was told already."""


class NoSuchName(Unresolved):
    """A name that nothing in the file has: no deployment could tell its value."""


class _NoValue:
    """``AWS::NoValue``: the property is not there."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()
_DYNAMIC = re.compile(r"\{\{resolve:[^}]*\}\}")
_VARIABLE = re.compile(r"\$\{(!?)([^}]*)\}")


def is_intrinsic(value: Any) -> bool:
    """Whether a value is one intrinsic function in its long form."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    [name] = value
    return name in ("Ref", "Condition") or str(name).startswith("Fn::")


@dataclass
class Scope:
    """What the intrinsics of one template may refer to.

    ``parameters`` holds values by name, ``unknown`` the reason why a parameter has none. ``resources`` are the
    template's blocks, ``conditions`` and ``mappings`` its sections as they stand. ``absent`` are resources whose
    condition does not hold, ``broken`` those that could not be read. To the sections ``open_ended`` a macro may add
    what is not there. ``partial`` is for who only looks: a mapping whose queue or function only a deployment knows is
    kept.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    region: str = REGION
    account: str = ACCOUNT
    stack: str = "stack"
    absent: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    open_ended: frozenset[str] = frozenset()
    partial: bool = False
    _open: list[str] = field(default_factory=list)

    def value(self, raw: Any) -> Any:
        """``raw`` with every intrinsic worked out. Raises ``Unresolved``."""
        if isinstance(raw, str):
            if _DYNAMIC.search(raw):
                raise Unresolved(f"{_DYNAMIC.search(raw)[0]} is known only to a deployment")  # type: ignore[index]
            return raw
        if isinstance(raw, list):
            return [item for item in map(self.value, raw) if item is not NO_VALUE]
        if not isinstance(raw, Mapping):
            return raw
        if is_intrinsic(raw):
            [(name, argument)] = raw.items()
            return self._call(name, argument)
        made = {key: self.value(item) for key, item in raw.items()}
        return {key: item for key, item in made.items() if item is not NO_VALUE}

    def condition(self, name: object) -> bool:
        """Whether a condition of the template holds. Raises ``Unresolved``."""
        if not isinstance(name, str):
            raise Unresolved(f"a condition's name is needed here, not {name!r}")
        if name not in self.conditions:
            raise self._missing(f"there is no condition {name!r}{did_you_mean(name, self.conditions)}", "Conditions")
        return bool(self._guarded(f"condition {name}", lambda: self._truth(self.conditions[name])))

    def queue_name(self, id_: str) -> str:
        """The name of a queue of the template."""
        properties = self._properties(id_)
        name = self._property(id_, "QueueName")
        fifo = str(self._property(id_, "FifoQueue") or "").lower() == "true" if "FifoQueue" in properties else False
        return str(name) if name else id_ + (".fifo" if fifo else "")

    def function_name(self, id_: str) -> str:
        """The name of a function of the template."""
        return str(self._property(id_, "FunctionName") or id_)

    # --- functions

    def _call(self, name: str, argument: Any) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise Unresolved(f"{name} is known only to a deployment")
        try:
            return function(argument)
        except (ValueError, TypeError, IndexError, KeyError):
            raise Unresolved(f"{name} is not given what it takes") from None

    @cached_property
    def _functions(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "Ref": self._ref,
            "Condition": self.condition,
            "Fn::And": lambda items: all(self._truth(item) for item in items),
            "Fn::Base64": lambda text: base64.b64encode(str(self.value(text)).encode()).decode(),
            "Fn::Equals": self._equals,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAtt": self._get_att,
            "Fn::If": self._if,
            "Fn::ImportValue": self._import_value,
            "Fn::Join": self._join,
            "Fn::Length": lambda items: len(self.value(items)),
            "Fn::Not": lambda items: not self._truth(items[0]),
            "Fn::Or": lambda items: any(self._truth(item) for item in items),
            "Fn::Select": self._select,
            "Fn::Split": lambda items: str(self.value(items[1])).split(str(self.value(items[0]))),
            "Fn::Sub": self._sub,
            "Fn::ToJsonString": lambda value: json.dumps(self.value(value), separators=(",", ":")),
        }

    def _ref(self, name: object) -> Any:
        if not isinstance(name, str):
            raise TypeError(name)
        if name in self.parameters:
            return self.parameters[name]
        if name in self.unknown:
            raise Unresolved(self.unknown[name])
        if name in self._pseudo:
            return self._pseudo[name]
        if name in self.resources:
            self._check_there(name)
            return self._guarded(f"Ref {name}", lambda: self._physical(name))
        owner, _, attribute = name.partition(".")
        if attribute in ("Alias", "Version") and self._type(owner) == "AWS::Serverless::Function":
            alias = self._property(owner, "AutoPublishAlias") if attribute == "Alias" else 1
            return function_arn(f"{self.function_name(owner)}:{alias}", self.region, self.account)
        near = did_you_mean(name, [*self.resources, *self.parameters, *self.unknown])
        raise self._missing(f"there is no resource or parameter {name!r}{near}", "Resources")

    def _missing(self, message: str, section: str) -> Unresolved:
        """What is to be raised of a name that the section does not have."""
        if section in self.open_ended:
            return Unresolved(f"{message}, unless a macro adds it")
        return NoSuchName(message)

    @cached_property
    def _pseudo(self) -> dict[str, Any]:
        partition = partition_of(self.region)
        return {
            "AWS::AccountId": self.account,
            "AWS::NoValue": NO_VALUE,
            "AWS::NotificationARNs": [],
            "AWS::Partition": partition,
            "AWS::Region": self.region,
            "AWS::StackId": f"arn:{partition}:cloudformation:{self.region}:{self.account}:stack/{self.stack}/0",
            "AWS::StackName": self.stack,
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
        }

    def _check_there(self, id_: str) -> None:
        if id_ in self.broken:
            raise Unresolved
        if id_ in self.absent:
            raise NoSuchName(f"the resource {id_!r} is not created, as its condition does not hold")

    def _physical(self, id_: str) -> str:
        """What ``Ref`` of a resource is: a queue's URL, an alias's or topic's ARN, else its name."""
        type_ = self._type(id_)
        if type_ == "AWS::SQS::Queue":
            return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self.queue_name(id_)}"
        if type_ in ("AWS::Lambda::Function", "AWS::Serverless::Function"):
            return self.function_name(id_)
        if type_ in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
            qualifier = self._property(id_, "Name") if type_ == "AWS::Lambda::Alias" else "1"
            name = str(self._property(id_, "FunctionName")).split(":function:")[-1].partition(":")[0]
            return function_arn(f"{name}:{qualifier}", self.region, self.account)
        if type_ == "AWS::SNS::Topic":
            return self._arn("sns", self._name(id_))
        return self._name(id_)

    def _get_att(self, argument: Any) -> Any:
        parts = argument.split(".", 1) if isinstance(argument, str) else [str(self.value(part)) for part in argument]
        id_, attribute = parts[0], ".".join(parts[1:])
        if id_ not in self.resources:
            raise self._missing(f"there is no resource {id_!r}{did_you_mean(id_, self.resources)}", "Resources")
        self._check_there(id_)
        return self._guarded(f"GetAtt {id_}.{attribute}", lambda: self._attribute(id_, attribute))

    def _attribute(self, id_: str, attribute: str) -> str:
        match self._type(id_), attribute:
            case "AWS::SQS::Queue", "Arn":
                return queue_arn(self.queue_name(id_), self.region, self.account)
            case "AWS::SQS::Queue", "QueueName":
                return self.queue_name(id_)
            case "AWS::SQS::Queue", "QueueUrl":
                return self._physical(id_)
            case (("AWS::Lambda::Function" | "AWS::Serverless::Function"), "Arn"):
                return function_arn(self.function_name(id_), self.region, self.account)
            case (("AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable" | "AWS::Serverless::SimpleTable"), "Arn"):
                return self._arn("dynamodb", f"table/{self._name(id_)}")
            case (("AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable"), "StreamArn"):
                return self._arn("dynamodb", f"table/{self._name(id_)}/stream/0")
            case "AWS::Kinesis::Stream", "Arn":
                return self._arn("kinesis", f"stream/{self._name(id_)}")
            case "AWS::S3::Bucket", "Arn":
                return f"arn:{partition_of(self.region)}:s3:::{self._name(id_)}"
            case "AWS::SNS::Topic", ("TopicArn" | "Arn"):
                return self._arn("sns", self._name(id_))
            case type_, _ if attribute == f"{type_.rsplit('::', 1)[-1]}Name":
                return self._name(id_)
        raise Unresolved(f"GetAtt {id_}.{attribute} is known only to a deployment")

    def _if(self, argument: Any) -> Any:
        name, then, otherwise = argument
        return self.value(then if self.condition(name) else otherwise)

    def _equals(self, argument: Any) -> bool:
        left, right = (self.value(item) for item in argument)
        return _text(left) == _text(right)

    def _find_in_map(self, argument: Any) -> Any:
        name, top, second, *rest = argument
        keys = [_text(self.value(key)) for key in (name, top, second)]
        found: Any = self.mappings
        for key in keys:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            return self.value(found)
        if rest and isinstance(rest[0], Mapping) and "DefaultValue" in rest[0]:
            return self.value(rest[0]["DefaultValue"])
        raise self._missing(f"there is no entry {'.'.join(keys)} in the Mappings", "Mappings")

    def _import_value(self, argument: Any) -> Any:
        raise Unresolved(f"ImportValue {_text(self.value(argument))!r} is known only to a deployment")

    def _join(self, argument: Any) -> str:
        delimiter, items = argument
        return str(delimiter).join(_text(item) for item in self._list(items))

    def _select(self, argument: Any) -> Any:
        position, items = argument
        return self._list(items)[int(self.value(position))]

    def _sub(self, argument: Any) -> str:
        template, given = (argument, {}) if isinstance(argument, str) else argument

        def replaced(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{name}}}"
            if name in given:
                return _text(self.value(given[name]))
            if "." in name and name not in self.parameters and name.split(".")[0] in self.resources:
                return _text(self._get_att(name))
            return _text(self._ref(name))

        return _VARIABLE.sub(replaced, str(self.value(template)))

    # --- parts

    def _truth(self, raw: Any) -> bool:
        found = self.value(raw)
        if isinstance(found, str) and found.lower() in ("true", "false"):
            return found.lower() == "true"
        if not isinstance(found, bool):
            raise Unresolved(f"a condition takes true or false, not {found!r}")
        return found

    def _list(self, raw: Any) -> list[Any]:
        found = self.value(raw)
        if isinstance(found, str):  # the value of a CommaDelimitedList
            return [item.strip() for item in found.split(",")]
        return list(found)

    def _type(self, id_: str) -> str:
        block = self.resources.get(id_)
        return str(block.get("Type", "")) if isinstance(block, Mapping) else ""

    def _properties(self, id_: str) -> Mapping[str, Any]:
        found = self.resources[id_].get("Properties")
        return found if isinstance(found, Mapping) else {}

    def _property(self, id_: str, name: str) -> Any:
        found = self.value(self._properties(id_).get(name))
        return None if found is NO_VALUE else found

    def _name(self, id_: str) -> str:
        """The name that a resource is given, else its logical id."""
        for name in (f"{self._type(id_).rsplit('::', 1)[-1]}Name", "TableName", "Name"):
            if name in self._properties(id_):
                return str(self._property(id_, name) or id_)
        return id_

    def _arn(self, service: str, rest: str) -> str:
        return f"arn:{partition_of(self.region)}:{service}:{self.region}:{self.account}:{rest}"

    def _guarded(self, what: str, work: Callable[[], Any]) -> Any:
        """``work``, unless it leads back to itself."""
        if what in self._open:
            raise Unresolved(f"{what} refers to itself")
        self._open.append(what)
        try:
            return work()
        finally:
            self._open.pop()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping | list) or value is NO_VALUE or value is None:
        raise Unresolved(f"text is needed here, not {value!r}")
    return str(value)
