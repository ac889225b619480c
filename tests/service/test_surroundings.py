"""Which environment variables a handler gets."""

from __future__ import annotations

import pytest

from esm_emulator.queues.guard import locate
from esm_emulator.service.surroundings import no_proxy_here, users_own

HERE = "127.0.0.1,localhost,::1"


@pytest.mark.parametrize("name", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
def test_this_machine_is_not_asked_for_through_a_proxy(name: str) -> None:
    assert no_proxy_here({name: "http://proxy.example:3128"}) == {"no_proxy": HERE, "NO_PROXY": HERE}


def test_what_the_user_reaches_directly_stays_so() -> None:
    assert no_proxy_here({"http_proxy": "http://p", "NO_PROXY": ".corp,localhost"})["no_proxy"] == (
        ".corp,localhost,127.0.0.1,::1"
    )
    assert no_proxy_here({"http_proxy": "http://p", "no_proxy": "*"})["no_proxy"] == "*"


def test_without_a_proxy_nothing_is_added() -> None:
    assert no_proxy_here({"PATH": "/bin", "http_proxy": ""}) == {}


def test_beside_a_queue_elsewhere_on_this_machine_it_holds_too() -> None:
    location = locate("http://127.0.0.1:9324/123456789012/orders")
    given = users_own(location, "us-east-1", {"http_proxy": "http://p"})
    assert (given["AWS_ENDPOINT_URL"], given["no_proxy"]) == ("http://127.0.0.1:9324", HERE)
