"""CloudFormation's intrinsic functions, one row each."""

import pytest

from esm_emulator.templates.intrinsics import NO_VALUE, NoSuchName, Scope, Unresolved, is_intrinsic
from esm_emulator.yaml_source import load_document

ACCOUNT = "123456789012"


@pytest.fixture
def scope():
    return Scope(
        parameters={"Stage": "dev", "Names": ["a", "b"], "Count": 3, "Yes": "true"},
        unknown={"Secret": "the parameter 'Secret' has no default"},
        resources=load_document(
            """
            Orders: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub "orders-${Stage}"}}
            Lane: {Type: AWS::SQS::Queue, Properties: {FifoQueue: !If [Yes, true, false]}}
            Worker: {Type: AWS::Lambda::Function, Properties: {FunctionName: worker}}
            Sam: {Type: AWS::Serverless::Function, Properties: {AutoPublishAlias: live}}
            Live: {Type: AWS::Lambda::Alias, Properties: {FunctionName: !Ref Worker, Name: live}}
            Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !GetAtt Worker.Arn}}
            Table: {Type: AWS::DynamoDB::Table, Properties: {TableName: t}}
            Unnamed: {Type: AWS::DynamoDB::Table}
            Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
            Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: b}}
            Role: {Type: AWS::IAM::Role}
            Self: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt Self.QueueName}}
            Ping: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Pong}}
            Pong: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Ping}}
            """
        ).data,
        conditions=load_document(
            """
            Yes: !Equals [!Ref Stage, dev]
            No: !Not [!Condition Yes]
            Both: !And [!Condition Yes, !Condition No]
            One: !Or [!Condition Yes, !Condition No]
            Unknown: !Equals [!Ref Secret, x]
            Loop: !Not [!Condition Loop]
            Odd: 5
            Literal: "true"
            """
        ).data,
        mappings={"Sizes": {"dev": {"Memory": 256, "List": ["x"]}}},
        region="eu-west-1",
        stack="shop",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("[1, !Ref Stage, {a: !Ref Count}]", [1, "dev", {"a": 3}]),
        ("!Ref Stage", "dev"),
        ("!Ref Names", ["a", "b"]),
        ("!Ref AWS::Region", "eu-west-1"),
        ("!Ref AWS::AccountId", ACCOUNT),
        ("!Ref AWS::Partition", "aws"),
        ("!Ref AWS::URLSuffix", "amazonaws.com"),
        ("!Ref AWS::StackName", "shop"),
        ("!Ref AWS::NotificationARNs", []),
        ("!Ref Orders", f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/orders-dev"),
        ("!Ref Worker", "worker"),
        ("!Ref Sam", "Sam"),
        ("!Ref Sam.Alias", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:Sam:live"),
        ("!Ref Sam.Version", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:Sam:1"),
        ("!Ref Live", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:worker:live"),
        ("!Ref Version", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:worker:1"),
        ("!Ref Table", "t"),
        ("!Ref Unnamed", "Unnamed"),
        ("!Ref Topic", f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"),
        ("!Ref Role", "Role"),
        ("!GetAtt Orders.Arn", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders-dev"),
        ("!GetAtt Orders.QueueName", "orders-dev"),
        ("!GetAtt Orders.QueueUrl", f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/orders-dev"),
        ("!GetAtt Lane.QueueName", "Lane.fifo"),
        ("!GetAtt [Worker, Arn]", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:worker"),
        ("!GetAtt Table.Arn", f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t"),
        ("!GetAtt Topic.TopicArn", f"arn:aws:sns:eu-west-1:{ACCOUNT}:news"),
        ("!GetAtt Topic.TopicName", "news"),
        ("!GetAtt Bucket.Arn", "arn:aws:s3:::b"),
        ('!Sub "${Stage}-${Count}-${AWS::Region}-${Orders.QueueName}"', "dev-3-eu-west-1-orders-dev"),
        ('!Sub "${!Stage} ${ Stage }"', "${Stage} dev"),
        ('!Sub ["${A}${Stage}", {A: !Ref Count, Stage: mine}]', "3mine"),
        ("!If [Yes, 1, 2]", 1),
        ("!If [No, 1, !If [Both, 2, 3]]", 3),
        ("!If [One, {a: !Ref Stage}, x]", {"a": "dev"}),
        ("{a: !Ref AWS::NoValue, b: [!Ref AWS::NoValue, 1]}", {"b": [1]}),
        ("!Equals [3, '3']", True),
        ("!Equals [true, 'true']", True),
        ("!Join ['-', [a, !Ref Stage, 3]]", "a-dev-3"),
        ("!Join ['', !Ref Names]", "ab"),
        ("!Select ['1', !Ref Names]", "b"),
        ("!Select [0, !Split [',', 'x,y']]", "x"),
        ("!Split ['.', a.b]", ["a", "b"]),
        ("!FindInMap [Sizes, !Ref Stage, Memory]", 256),
        ("!FindInMap [Sizes, prod, Memory, {DefaultValue: 512}]", 512),
        ("!Base64 hello", "aGVsbG8="),
        ("!Length [1, 2]", 2),
        ("!ToJsonString {a: [!Ref Stage]}", '{"a":["dev"]}'),
        ("!Condition One", True),
        ("!Condition Literal", True),
        ("!Not [!Ref Yes]", False),
    ],
)
def test_what_a_function_comes_to(scope, text, value):
    assert scope.value(load_document(f"key: {text}").data["key"]) == value


def test_no_value_is_its_own_kind(scope):
    assert scope.value({"Ref": "AWS::NoValue"}) is NO_VALUE
    assert repr(NO_VALUE) == "AWS::NoValue"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!Ref Secret", "the parameter 'Secret' has no default"),
        ("!ImportValue shared", "ImportValue 'shared' is known only to a deployment"),
        ("!GetAtt Role.Arn", "GetAtt Role.Arn is known only to a deployment"),
        ("!GetAZs ''", "Fn::GetAZs is known only to a deployment"),
        ("{Fn::Whatever: 1}", "Fn::Whatever is known only to a deployment"),
        ("'{{resolve:ssm:/a}}'", "{{resolve:ssm:/a}} is known only to a deployment"),
        ("!If [Unknown, 1, 2]", "the parameter 'Secret' has no default"),
        ("!If [Loop, 1, 2]", "condition Loop refers to itself"),
        ("!If [Odd, 1, 2]", "a condition takes true or false, not 5"),
        ("!GetAtt Self.Arn", "GetAtt Self.QueueName refers to itself"),
        ("!Ref Ping", "Ref Ping refers to itself"),
        ("!Join x", "Fn::Join is not given what it takes"),
        ("!Select [5, [a]]", "Fn::Select is not given what it takes"),
        ("!Join ['', [!Ref Names]]", "text is needed here, not ['a', 'b']"),
        ("!Sub '${Secret}'", "the parameter 'Secret' has no default"),
    ],
)
def test_what_only_a_deployment_knows_is_told(scope, text, said):
    with pytest.raises(Unresolved) as caught:
        scope.value(load_document(f"key: {text}").data["key"])
    assert str(caught.value) == said
    assert not isinstance(caught.value, NoSuchName)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!Ref Stag", "there is no resource or parameter 'Stag'; did you mean 'Stage'?"),
        ("!GetAtt Ordrs.Arn", "there is no resource 'Ordrs'; did you mean 'Orders'?"),
        ("!Sub '${Nothing.Here}'", "there is no resource or parameter 'Nothing.Here'"),
        ("!If [Ye, 1, 2]", "there is no condition 'Ye'; did you mean 'Yes'?"),
        ("!FindInMap [Sizes, prod, Memory]", "there is no entry Sizes.prod.Memory in the Mappings"),
    ],
)
def test_a_name_that_nothing_has_is_told_apart(scope, text, said):
    with pytest.raises(NoSuchName) as caught:
        scope.value(load_document(f"key: {text}").data["key"])
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("value", "is_one"),
    [({"Ref": "a"}, True), ({"Fn::Sub": "a"}, True), ({"Ref": "a", "b": 1}, False), ({"a": 1}, False), ("Ref", False)],
)
def test_an_intrinsic_is_a_mapping_of_one_known_key(value, is_one):
    assert is_intrinsic(value) is is_one
