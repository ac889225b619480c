"""What a role lacks is told where the role and all its policies stand in the template, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from esm_emulator.check import Setup, check
from esm_emulator.resources import Resources

ROLE = "AWS::IAM::Role"
ALL = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
POLLING = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"


def policy(actions: Any, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    return {"PolicyName": "p", "PolicyDocument": {"Statement": [statement]}, **more}


def lacking(role: Any, queue: dict[str, Any] | None = None, **blocks: Any) -> list[str]:
    """What the finding says is missing; empty when there is none."""
    given = {
        "Orders": {"Type": "AWS::SQS::Queue"},
        "Worker": {"Type": "AWS::Lambda::Function"},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": "Orders", "FunctionName": "Worker"},
        },
    }
    template = {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": queue or {}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Role": {"Fn::GetAtt": ["Role", "Arn"]}}},
        "Role": role,
        **blocks,
    }
    found = check(Setup(Resources.parse(given), blocks=template))
    [said] = [item.summary for item in found if item.code == "ESM-E308"] or [""]
    missing = said.partition(" lacks ")[2].removesuffix(": Lambda polls with it.")
    return missing.split(", ") if missing else []


def role(*policies: Any, managed: Any = None) -> dict[str, Any]:
    return {"Type": ROLE, "Properties": {"Policies": list(policies), "ManagedPolicyArns": managed or []}}


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (role(), ALL),
        (role(managed=[BASIC]), ALL),
        (role(policy("logs:*")), ALL),
        (role(policy(ALL[:2])), ALL[2:]),
        (role(policy("sqs:Get*"), policy("SQS:DELETEMESSAGE")), ALL[:1]),
    ],
)
def test_what_no_policy_grants_is_told(given: dict[str, Any], missing: list[str]) -> None:
    """DOC-33."""
    assert lacking(given) == missing


@pytest.mark.parametrize(
    "given",
    [
        role(policy(ALL)),
        role(policy("sqs:*")),
        role(policy("*")),
        role(policy("sqs:?e*")),
        role(managed=[POLLING]),
        role(managed=[{"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, f":iam::aws:{POLLING[13:]}"]]}]),
        role(managed=["arn:aws:iam::123456789012:policy/ours"]),
        role(managed=[{"Ref": "Another"}]),
        role(managed={"Ref": "List"}),
        role(policy({"Fn::If": ["Wide", "sqs:*", "sqs:ReceiveMessage"]})),
        role(policy([{"Ref": "Action"}])),
        role({"Fn::If": ["Wide", policy(ALL), policy("logs:*")]}),
        role({"PolicyName": "p", "PolicyDocument": {"Statement": [{"Effect": "Allow", "NotAction": "iam:*"}]}}),
        role({"PolicyName": "p", "PolicyDocument": {"Fn::Sub": "{}"}}),
        {"Type": ROLE, "Properties": {"Policies": {"Ref": "Policies"}}},
        {"Type": ROLE},
        {"Type": "AWS::Serverless::Api"},
        None,
    ],
)
def test_a_role_that_may_have_what_it_needs_is_left_in_peace(given: Any) -> None:
    """When unsure, silent."""
    assert lacking(given) == []


@pytest.mark.parametrize(
    ("type_", "names"),
    [
        ("AWS::IAM::Policy", {"Roles": [{"Ref": "Role"}]}),
        ("AWS::IAM::ManagedPolicy", {"Roles": [{"Ref": "Role"}]}),
        ("AWS::IAM::RolePolicy", {"RoleName": {"Ref": "Role"}}),
        ("AWS::IAM::Policy", {"Roles": ["its-name-in-text"]}),
    ],
)
def test_a_policy_beside_the_role_counts(type_: str, names: dict[str, Any]) -> None:
    """Every way to attach one; of a role that is named in text nobody knows that it is not this one."""
    assert lacking(role(), Beside={"Type": type_, "Properties": policy(ALL, **names)}) == []
    other = {"Roles": [{"Ref": "Worker"}]}
    assert lacking(role(), Beside={"Type": type_, "Properties": policy(ALL, **other)}) == ALL


ROOT = {"Effect": "Allow", "Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}, "Action": "kms:*"}
SNS = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": ["kms:Decrypt"]}
ITSELF = {"Effect": "Allow", "Principal": {"AWS": {"Fn::GetAtt": ["Role", "Arn"]}}, "Action": ["kms:Decrypt"]}
LOCKED = {"KmsMasterKeyId": {"Ref": "Key"}}


def key(*statements: Any) -> dict[str, Any]:
    return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": list(statements)}}}


def test_a_key_that_leaves_it_to_the_role_needs_kms_decrypt() -> None:
    """DOC-33: the key's policy admits the account alone, so that the role's policies decide."""
    assert lacking(role(managed=[POLLING]), LOCKED, Key=key(ROOT, SNS)) == ["kms:Decrypt"]
    assert lacking(role(policy("kms:Dec*"), managed=[POLLING]), LOCKED, Key=key(ROOT)) == []


@pytest.mark.parametrize(
    ("queue", "found"),
    [
        (LOCKED, key(ROOT, ITSELF)),
        (LOCKED, key("?")),
        (LOCKED, key()),
        (LOCKED, {"Type": "AWS::KMS::Alias"}),
        ({"KmsMasterKeyId": "alias/aws/sqs"}, key(ROOT)),
        ({}, key(ROOT)),
    ],
)
def test_a_key_that_may_admit_the_role_is_left_in_peace(queue: dict[str, Any], found: Any) -> None:
    """When unsure, silent: the key may name the role, or be AWS's own, which admits the account's users of SQS."""
    assert lacking(role(managed=[POLLING]), queue, Key=found) == []
