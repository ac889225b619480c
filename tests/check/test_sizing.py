"""What provisioned pollers are enough for is told where messages and the work on them are known."""

from __future__ import annotations

import pytest

from esm_emulator.check.scaling import idle_pollers
from esm_emulator.check.setup import Setup, Traffic
from esm_emulator.resources import Resources

RESOURCES = Resources.parse(
    {
        "Orders": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
        "Worker": {"Type": "AWS::Lambda::Function", "Properties": {"Timeout": 10}},
        "Trigger": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": {"Fn::GetAtt": ["Orders", "Arn"]},
                "FunctionName": {"Ref": "Worker"},
                "ProvisionedPollerConfig": {"MinimumPollers": 20},
            },
        },
    }
)


@pytest.mark.parametrize(
    ("body_bytes", "each_ms", "carried", "a_poller"),
    [
        (3 * 1024, 10, "2,000", 100),  # polls: 100 messages a second
        (256 * 1024, 10, "80", 4),  # bandwidth: 1 MB a second
        (1024, 2_000, "200", 10),  # invokes: ten of twenty seconds, rounded up as AWS does
    ],
)
def test_what_idle_pollers_would_carry_is_told(body_bytes: int, each_ms: int, carried: str, a_poller: int) -> None:
    """PROV-10: twenty pollers, batches of ten."""
    traffic = Traffic(bodies={"Orders": ("x" * body_bytes,)}, each_ms={"Worker": each_ms})
    (hit,) = idle_pollers(Setup(RESOURCES, traffic=traffic))
    assert f"They carry {carried} of these messages a second (AWS's sizing rule: {a_poller} a poller)." in str(hit)


@pytest.mark.parametrize("traffic", [Traffic(), Traffic(bodies={"Orders": ("x",)}), Traffic(each_ms={"Worker": 5})])
def test_nothing_is_reckoned_from_what_is_not_known(traffic: Traffic) -> None:
    """PROV-10 needs sizes and durations."""
    (hit,) = idle_pollers(Setup(RESOURCES, traffic=traffic))
    assert "sizing" not in str(hit)
