"""Which queues are used without leave, and what is said before one that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esm_emulator.errors import RemoteRefused, UsageError
from esm_emulator.queues.guard import QueueDescription, allow, banner, locate

ADDRESSES = {
    "localhost": ["127.0.0.1", "::1"],
    "sqs.us-east-1.localhost.localstack.cloud": ["127.0.0.1"],
    "127.0.0.1.evil.example": ["203.0.113.7"],
    "half.example": ["127.0.0.1", "203.0.113.7"],
    "localstack": ["172.18.0.2"],
}
AWS = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"


def resolve(host):
    return ADDRESSES.get(host, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5000/123456789012/orders",
        "http://127.8.9.10/123456789012/orders",
        "http://[::1]:9324/queue/orders",
        "http://[::ffff:127.0.0.1]:9324/queue/orders",
        "http://2130706433/1/orders",
        "http://0x7f.1:80/1/orders",
    ],
)
def test_an_address_of_this_machine_needs_no_leave(url):
    """A loopback address is one however it is written."""
    allow(locate(url))


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:4566/000000000000/orders",
        "http://LOCALHOST.:4566/000000000000/orders",
        "http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/orders",
    ],
)
def test_a_name_that_stands_for_loopback_addresses_only_needs_no_leave(url):
    """A name is judged by its addresses."""
    allow(locate(url, resolve=resolve))


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.7:4566/1/orders",
        "http://3232235521/1/orders",  # 192.168.0.1
        "http://[2001:db8::1]/1/orders",
        "http://[::ffff:203.0.113.7]/1/orders",
        "http://0.0.0.0:4566/1/orders",
    ],
)
def test_an_address_elsewhere_needs_leave(url):
    """A queue that is not on a loopback address is refused, and the flag is named."""
    with pytest.raises(RemoteRefused, match="--allow-host"):
        allow(locate(url))


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "half.example", "localstack", "unknown.example"])
def test_a_name_that_stands_for_anything_else_needs_leave(host):
    """One address off this machine is enough, and so is having none."""
    with pytest.raises(RemoteRefused, match=f"--allow-host {host}"):
        allow(locate(f"http://{host}:4566/1/orders", resolve=resolve))


@pytest.mark.parametrize(
    "host",
    [
        "sqs.eu-west-1.amazonaws.com",
        "SQS.EU-WEST-1.AMAZONAWS.COM.",
        "eu-west-1.queue.amazonaws.com",
        "sqs.cn-north-1.amazonaws.com.cn",
        "sqs.us-east-1.api.aws",
        "vpce-0a1.sqs.eu-west-1.vpce.amazonaws.com",
    ],
)
def test_a_queue_of_aws_needs_its_own_leave(host):
    """Leave for a host is no leave for AWS, whatever its name resolves to."""
    location = locate(f"https://{host}/123456789012/orders", resolve=lambda _: ["127.0.0.1"])
    with pytest.raises(RemoteRefused, match="--allow-aws"):
        allow(location, allow_hosts=[host])
    allow(location, allow_aws=True)


@pytest.mark.parametrize("host", ["amazonaws.com.evil.example", "notamazonaws.com"])
def test_a_host_that_only_looks_like_aws_is_not_covered_by_leave_for_aws(host):
    """The suffix is compared by whole labels."""
    with pytest.raises(RemoteRefused, match="--allow-host"):
        allow(locate(f"https://{host}/1/orders", resolve=resolve), allow_aws=True)


def test_leave_for_a_host_is_leave_for_that_host():
    """``--allow-host`` takes the host with or without a port, in any case."""
    location = locate("http://localstack:4566/1/orders", resolve=resolve)
    allow(location, allow_hosts=["other", "LocalStack:4566"])
    with pytest.raises(RemoteRefused):
        allow(location, allow_hosts=["other"])


def test_an_ipv6_host_can_be_allowed():
    """With brackets or without."""
    location = locate("http://[2001:db8::1]:4566/1/orders")
    allow(location, allow_hosts=["[2001:db8::1]"])
    allow(location, allow_hosts=["2001:db8::1"])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1@evil.example/1/orders",
        "http://user:secret@127.0.0.1/1/orders",
        "http://127.0.0.1\\@evil.example/1/orders",
    ],
)
def test_a_user_name_before_the_host_is_refused(url):
    """What stands before an @ is not the host, whatever it looks like."""
    with pytest.raises(RemoteRefused, match="user name"):
        locate(url, resolve=lambda _: ["127.0.0.1"])


@pytest.mark.parametrize(
    "url",
    [
        "orders",
        "ftp://127.0.0.1/1/orders",
        "file:///etc/passwd",
        "http://127.0.0.1",
        "http:///1/orders",
        "http://127.0.0.1:99999/1/orders",
        "http://127。0。0。1/1/orders",
        "http://127.0.0.1\n.evil.example/1/orders",
        "http://127.0.0.1\t/1/orders",
        "http://[::1/1/orders",
        "http://127.0.0.1%2eevil/1/orders",
    ],
)
def test_what_is_no_url_of_a_queue_is_a_usage_error(url):
    """Nothing is guessed from a URL that parsers could read in two ways."""
    with pytest.raises(UsageError):
        locate(url, resolve=lambda _: ["127.0.0.1"])


def test_an_explicit_endpoint_decides_where_requests_go():
    """A URL of AWS that is served on this machine, as LocalStack hands them out, needs no leave."""
    location = locate(AWS, "http://127.0.0.1:4566")
    assert location.endpoint == "http://127.0.0.1:4566"
    allow(location)


def test_an_explicit_endpoint_elsewhere_needs_leave():
    """The host of the queue's URL is no excuse for where requests go."""
    with pytest.raises(RemoteRefused, match="--allow-aws"):
        allow(locate("http://127.0.0.1:4566/1/orders", "https://sqs.eu-west-1.amazonaws.com"))


@pytest.mark.parametrize(
    ("url", "region"),
    [
        (AWS, "eu-west-1"),
        ("https://us-gov-west-1.queue.amazonaws.com/123456789012/orders", "us-gov-west-1"),
        ("https://queue.amazonaws.com/123456789012/orders", "us-east-1"),
        ("http://127.0.0.1:4566/queue/ap-south-1/000000000000/orders", "ap-south-1"),
        ("http://127.0.0.1:4566/000000000000/eu-west-2", None),
        ("http://127.0.0.1:9324/queue/orders", None),
    ],
)
def test_the_region_is_read_from_the_url(url, region):
    """From the host, or from LocalStack's path; never from the queue's own name."""
    assert locate(url).region == region


def test_an_endpoint_of_the_first_kind_is_replaced():
    """Old URLs name hosts that today's protocol does not know."""
    location = locate("https://eu-west-1.queue.amazonaws.com/123456789012/orders")
    assert location.endpoint == "https://sqs.eu-west-1.amazonaws.com"


def test_account_and_name_are_read_from_the_url():
    """Percent signs are decoded; a path that is no account is none."""
    location = locate("http://127.0.0.1/123456789012/orders%2Efifo")
    assert (location.account, location.name) == ("123456789012", "orders.fifo")
    assert locate("http://127.0.0.1/queue/orders").account is None


DESCRIPTION = QueueDescription(
    url=AWS,
    arn="arn:aws:sqs:eu-west-1:123456789012:orders",
    fifo=False,
    visibility_ms=30_000,
    visible=7,
    in_flight=2,
    delayed=1,
    dead_letter_arn="arn:aws:sqs:eu-west-1:123456789012:orders-dlq",
    max_receive_count=3,
)


def test_the_banner_says_whose_queue_it_is_and_what_will_be_deleted():
    """Account, region, queue, depth and what will be deleted are shown first."""
    assert banner(DESCRIPTION, function="Worker", filtered=True) == (
        "account  123456789012",
        "region   eu-west-1",
        f"queue    orders ({AWS})",
        "depth    7 visible, 2 in flight, 1 delayed",
        "deleted  every message that Worker handles without an error, and every message that no filter pattern matches",
        "others   go to arn:aws:sqs:eu-west-1:123456789012:orders-dlq after 3 receives",
    )


def test_the_banner_tells_a_queue_without_a_dead_letter_queue():
    """Then a message that fails comes back until its retention ends (SQS-29)."""
    lines = banner(replace(DESCRIPTION, dead_letter_arn=None, max_receive_count=None), function="Worker")
    assert lines[-1] == "others   come back until their retention ends: the queue has no dead-letter queue"
    assert "filter" not in lines[-2]
