"""``esm run --web``: the trace of a run that goes on, over HTTP and in a browser."""

from __future__ import annotations

import http.client
import json
import signal
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.esm_command import running

pytestmark = pytest.mark.slow

PATIENCE_S = 15
HANDLER = """
def handler(event, context):
    if any(record["body"] == "bad" for record in event["Records"]):
        raise ValueError("no")
"""
SECOND = """
resources:
  Orders: {Type: AWS::SQS::Queue}
  Worker: {Type: AWS::Lambda::Function, Properties: {Handler: app.handler}}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker}
"""
ONE_TRY = ("--visibility-timeout", "1", "--function-timeout", "1", "--max-receive-count", "1")


@pytest.fixture
def run(tmp_path: Path):
    (tmp_path / "app.py").write_text(HANDLER)
    with running(tmp_path, "run", "--handler", "app.handler", *ONE_TRY, "--web", "0") as run:
        run.says("^Polling")
        yield run


@pytest.fixture
def address(run):
    return urlsplit(run.says(r"^Trace: (http://127\.0\.0\.1:\d+/)$")[1]).netloc


def ask(address, method, path, body=None, **headers):
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        if body is not None:
            headers = {"Content-Type": "application/json"} | headers
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def data(address):
    return json.loads(ask(address, "GET", "/data")[1])


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def test_a_message_is_sent_handled_and_shown(address):
    status, said = ask(address, "POST", "/send", {"queue": "queue", "body": "hello"})
    assert (status, said.startswith("Sent ")) == (200, True)
    until(lambda: [row[4] for row in data(address)["messages"]] == ["deleted"])


def test_the_news_are_a_stream_of_events(address):
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/events")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.readline().startswith(b"data: ")
    connection.close()


def test_a_dead_letter_is_redriven(address):
    ask(address, "POST", "/send", {"queue": "queue", "body": "bad"})
    until(lambda: [row[4] for row in data(address)["messages"]] == ["dead-lettered"])
    assert ask(address, "POST", "/redrive", {"queue": "queue-dlq"}) == (
        200,
        "The messages of queue-dlq are moved back.",
    )
    until(lambda: data(address)["messages"][0][8] != "")


def test_a_mapping_is_disabled_and_enabled(address):
    assert ask(address, "POST", "/mapping", {"mapping": "mapping", "enabled": False})[0] == 200
    until(lambda: data(address)["levels"]["states"]["mapping"][-1][1] == "Disabled")
    assert ask(address, "POST", "/mapping", {"mapping": "mapping", "enabled": True})[0] == 200
    assert data(address)["levels"]["states"]["mapping"][-1][1] == "Enabled"


def test_what_is_not_there_is_refused_in_a_sentence(address):
    status, said = ask(address, "POST", "/send", {"queue": "quue", "body": "x"})
    assert status == 400
    assert "quue" in said
    assert ask(address, "POST", "/send", {"queue": "queue"})[0] == 400
    assert ask(address, "POST", "/send", [])[0] == 400
    assert ask(address, "POST", "/mapping", {"mapping": "mapping", "enabled": "no"})[0] == 400
    assert ask(address, "GET", "/etc")[0] == 404
    assert ask(address, "POST", "/etc", {})[0] == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_other_sites_cannot_use_it(address, headers):
    """Neither by a name that leads here, nor by a form or a script of theirs."""
    assert ask(address, "POST", "/send", {"queue": "queue", "body": "x"}, **headers)[0] == 403
    assert data(address)["messages"] == []


def test_other_names_do_not_get_the_page(address):
    assert ask(address, "GET", "/", Host="evil.example")[0] == 403


def test_what_was_hidden_is_back_though_nothing_else_happens(address):
    """No fact tells it: the mapping that failed with it is disabled."""
    ask(address, "POST", "/send", {"queue": "queue", "body": "bad"})
    until(lambda: data(address)["invocations"])
    ask(address, "POST", "/mapping", {"mapping": "mapping", "enabled": False})
    until(lambda: data(address)["messages"][0][7][-2:] == [1, "queue"])


def test_other_sites_cannot_show_it_within_their_own(address):
    """Where somebody could be led to click its buttons."""
    host, port = address.split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    connection.request("GET", "/")
    headers = connection.getresponse().headers
    connection.close()
    assert headers["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_what_is_looked_at_stays_when_news_come(browser, address):
    """A cause that was closed, the focus without an id, a search's caret; and news wait for what is selected."""
    browser.go(f"http://{address}/")
    ask(address, "POST", "/mapping", {"mapping": "mapping", "enabled": False})
    until(lambda: data(address)["levels"]["states"]["mapping"][-1][1] == "Disabled")
    send = lambda: ask(address, "POST", "/send", {"queue": "queue", "body": "x"})  # noqa: E731
    send()
    until(lambda: browser.texts("#diagnoses .code"))
    browser.run("document.querySelector('details').open = false; document.querySelector('summary').focus()")
    send()
    until(lambda: len(browser.texts("#list .row")) == 2)
    assert browser.run("return document.querySelector('details').open") is False
    assert browser.run("return document.activeElement.tagName") == "SUMMARY"
    browser.run("const s = document.getElementById('search'); s.value = 'queue'; s.focus(); s.setSelectionRange(2, 3)")
    before = browser.text("#facts")
    send()
    until(lambda: browser.text("#facts") != before)
    assert browser.run("const s = document.activeElement; return [s.id, s.selectionStart]") == ["search", 2]
    assert browser.complaints() == []
    browser.run("getSelection().selectAllChildren(document.getElementById('diagnoses-title'))")
    until(lambda: "selected" in browser.text("#live-state"))
    browser.run("getSelection().removeAllRanges()")
    until(lambda: browser.text("#live-state") == "Live")
    browser.go("about:blank")


def test_a_run_that_is_started_anew_is_followed_with_its_own_names(browser, run, address, tmp_path):
    """What the first one had is gone from the page, and the buttons are for the second."""
    browser.go(f"http://{address}/")
    until(lambda: browser.texts("#live-queue option") == ["queue", "queue-dlq"])
    run.signal(signal.SIGINT)
    run.ends()
    until(lambda: "Ended" in browser.text("#live-state"))
    (tmp_path / "esm.yaml").write_text(SECOND)
    with running(tmp_path, "run", "esm.yaml", "--web", address.split(":")[1]) as second:
        second.says("^Polling")
        until(lambda: browser.texts("#live-queue option") == ["Orders"])
        assert browser.run("return document.getElementById('live-redrive').disabled") is True
        browser.type("#live-body", "hello")
        browser.click("#live-send")
        until(lambda: browser.texts("#list .chip") == ["deleted"])
        browser.go("about:blank")
        browser.complaints()  # that nobody answered for a while


def test_the_page_grows_in_a_browser_and_its_buttons_work(browser, run, address):
    browser.go(f"http://{address}/")
    browser.settle()
    browser.type("#live-body", "hello")
    browser.click("#live-send")
    until(lambda: browser.texts("#list .chip") == ["deleted"])
    assert browser.text("#live-said").startswith("Sent ")
    browser.click("#row-0")
    browser.type("#live-body", "x")
    browser.click("#live-send")
    until(lambda: len(browser.texts("#list .row")) == 2)
    assert "deleted from queue" in browser.text("#story-lines")  # what was picked stays so
    browser.click("#live-disable")
    until(lambda: "Disabled" in browser.text("#state"))
    for width in (1280, 400):
        browser.size(width)
        browser.settle()
        browser.screenshot(Path(__file__).parents[2] / "build" / "screenshots" / f"live-{width}.png")
        assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.complaints() == []
    run.signal(signal.SIGINT)
    run.ends()
    until(lambda: "Ended" in browser.text("#live-state"))
    browser.go("about:blank")
