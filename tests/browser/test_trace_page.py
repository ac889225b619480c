"""The page of a trace in a real browser. Its screenshots stay in build/screenshots/."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from esm_emulator.diagnosis import diagnose
from esm_emulator.durations import show_duration
from esm_emulator.report.messages import Messages
from esm_emulator.report.metrics import Metrics
from esm_emulator.report.trace import trace
from esm_emulator.scenario.file import load_cases
from esm_emulator.scenario.play import play
from tests.report.history import History, T

pytestmark = pytest.mark.slow

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
NASTY = "<img src=x onerror=alert(1)></script>"
TRAP = """
version: 1
resources:
  Orders:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt OrdersDlq.Arn, maxReceiveCount: 3}
  OrdersDlq: {Type: AWS::SQS::Queue}
  Worker:
    Type: AWS::Lambda::Function
    Properties: {Timeout: 30, ReservedConcurrentExecutions: 1}
  Trigger:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {EventSourceArn: !GetAtt Orders.Arn, FunctionName: !Ref Worker, BatchSize: 1}
behavior:
  Worker:
    - {when: {body: {order: [o-2]}}, takes: 2s, then: {raise: {type: ValueError, message: no}}}
    - {takes: 10s}
send:
  - to: Orders
    count: 40
    label: "o-{{ index }}"
    body: {order: "o-{{ index }}", note: "<img src=x onerror=alert(1)></script>"}
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    file = tmp_path_factory.mktemp("trap") / "trap.esm.yaml"
    file.write_text(TRAP, encoding="utf-8")
    return list(play(load_cases(file)[0]).journal)


@pytest.fixture
def page(browser, journal, tmp_path):
    """The page of the throttling trap, opened from disk."""
    file = tmp_path / "trace.html"
    file.write_text(trace(journal, diagnose(journal)), encoding="utf-8")
    browser.open(file)
    browser.settle()
    return browser


@pytest.fixture(scope="module")
def dead(journal):
    """The label of the first message that was dead-lettered."""
    return next(message.name for message in Messages.of(journal) if message.outcome == "dead-lettered")


def pick(page, name):
    page.type("#search", name)
    page.click("#row-0")
    page.settle()


def go_to(page, ms):
    page.run("document.getElementById('now').value = ''")
    page.type("#now", show_duration(ms) + "\ue007")
    page.settle()


def shown(page):
    """Queue -> visible, in flight, delayed, as the page says."""
    rows = page.run(
        "return [...document.querySelectorAll('[data-queue]')].map(row => [...row.cells].map(c => c.innerText))"
    )
    return {row[0]: tuple(int(number) for number in row[1:4]) for row in rows}


def expected(journal, ms):
    origin = journal[0].at
    metrics = Metrics.of(fact for fact in journal if fact.at <= origin + ms)
    metrics.advance(origin + ms)
    depths = metrics.depths.queues
    return {queue: (depth.visible, depth.hidden, depth.delayed) for queue, depth in depths.items()}


def test_it_opens_from_disk_without_a_complaint(page):
    assert page.text("#title") == "Run" or "trap" in page.text("#title")
    assert page.complaints() == []
    assert "40" in page.text("#facts")


@pytest.mark.parametrize("ms", [0, 61_234, 150_000])
def test_the_cursor_shows_the_exact_state_of_every_queue(page, journal, ms):
    go_to(page, ms)
    assert shown(page) == {"OrdersDlq": (0, 0, 0)} | expected(journal, ms)


def test_the_cursor_shows_what_every_poller_does(page):
    """At the start one runs, and four hold a batch that was throttled."""
    cards = {text.split()[0]: text for text in page.texts("[data-poller]")}
    assert len(cards) == 5
    assert sum("runs batch" in text for text in cards.values()) == 1
    assert sum("throttled 1" in text and "next try at" in text for text in cards.values()) == 4


def test_the_cursor_moves_with_the_arrow_keys(page):
    page.run("document.getElementById('cursor').focus()")
    page.type("#cursor", "\ue014")
    once = int(page.run("return document.getElementById('cursor').getAttribute('aria-valuenow')"))
    page.type("#cursor", "\ue010")
    last = int(page.run("return document.getElementById('cursor').getAttribute('aria-valuenow')"))
    page.type("#cursor", "\ue011")
    assert 0 < once < last
    assert page.run("return document.getElementById('cursor').getAttribute('aria-valuetext')").startswith("0s of ")


def test_the_cursor_can_be_dragged(page, journal):
    page.drag("#cursor .grip", 200)
    ms = int(page.run("return document.getElementById('cursor').getAttribute('aria-valuenow')"))
    assert ms > 1_000
    assert shown(page) == {"OrdersDlq": (0, 0, 0)} | expected(journal, ms)


def test_picking_a_message_highlights_its_life_and_tells_its_story(page, dead):
    before = page.run("return document.getElementById('lanes-canvas').toDataURL()")
    pick(page, dead)
    assert page.run("return document.getElementById('row-0').getAttribute('aria-selected')") == "true"
    assert page.text("#life-name").startswith(dead)
    assert page.run("return document.getElementById('lanes-canvas').toDataURL()") != before
    assert "moved to OrdersDlq after 3 receives" in page.text("#story-lines")
    said = page.run("return document.getElementById('life-line').getAttribute('aria-label')")
    assert said == f"Life of {dead}: dead-lettered, 3 receives"
    page.click("#forget")
    assert page.run("return document.getElementById('life').hidden") is True


def test_a_line_of_the_story_moves_the_cursor_there(page, dead):
    pick(page, dead)
    page.click("#story-lines li:last-child button")
    at = page.run("return document.querySelector('#story-lines li:last-child').dataset.at")
    assert page.run("return document.getElementById('cursor').getAttribute('aria-valuenow')") == at
    assert page.text("#state-message") == "waiting in OrdersDlq"


@pytest.mark.parametrize("wanted", ["o-17", '"order":"o-17"', "O-17"])
def test_search_finds_a_message_by_label_and_body(page, wanted):
    page.type("#search", wanted)
    assert page.text("#found") == "1 of 40 messages"
    assert page.texts(".row .name") == ["o-17"]


def test_search_finds_a_message_by_id(page, journal):
    sent = next(fact for fact in journal if fact.event == "sent" and fact.label == "o-23")
    page.type("#search", sent.message)
    assert page.texts(".row .name") == ["o-23"]


def test_the_list_is_used_with_the_keyboard(page):
    page.type("#search", "o-1")
    page.type("#search", "\ue015")
    page.type("#list", "\ue015")
    assert page.run("return document.getElementById('list').getAttribute('aria-activedescendant')") == "row-1"
    assert page.text("#story-title") == "Story of o-10"


def test_bodies_are_text(page):
    page.click("#row-0")
    assert NASTY in page.text("#story-body")
    assert page.run("return document.querySelectorAll('img').length") == 0


def test_a_diagnosis_leads_to_where_it_happened(page):
    page.run("document.querySelector('#diagnoses .links button:nth-child(3)').click()")
    page.settle()
    said = page.text("#diagnoses .links button:nth-child(3)")
    now = page.run("return document.getElementById('now').value")
    assert said.endswith(f"at {now}")


def test_every_diagnosis_stands_in_it(page, journal):
    codes = {diagnosis.code for diagnosis in diagnose(journal)}
    assert codes
    assert set(page.texts("#diagnoses .code")) == codes


def test_invocations_can_be_stepped_through(page):
    page.run("document.getElementById('cursor').focus()")
    page.type("#cursor", ".")
    first = page.text("#detail-body")
    page.type("#cursor", ".")
    assert page.text("#detail-title") == "Invocation of Worker"
    assert "Outcome" in first
    assert page.text("#detail-body") != first


def test_clicking_a_bar_shows_its_invocation(page):
    canvas = "const c = document.getElementById('lanes-canvas'), r = c.getBoundingClientRect();"
    where = "const label = parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--label'));"
    click = "c.dispatchEvent(new MouseEvent('click', {clientX: r.left + label + 6, clientY: r.top + 9, bubbles: true}))"
    page.run(canvas + where + click)
    assert re.search(r"Outcome\s+(success|error)", page.text("#detail-body"))


def test_zooming_narrows_the_window(page):
    before = page.run("return document.getElementById('axis').toDataURL()")
    page.click("#in")
    page.settle()
    assert page.run("return document.getElementById('axis').toDataURL()") != before


def overflowing(page):
    script = """
      const wide = document.documentElement.clientWidth;
      return [...document.querySelectorAll('body *')].filter(node => {
        const box = node.getBoundingClientRect();
        return box.width > 1 && (box.right > wide + 1 || box.left < -1) && !node.closest('.skip');
      }).map(node => node.outerHTML.slice(0, 90));
    """
    return page.run(script)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_overflows(page, width, dark):
    page.size(width)
    page.dark(dark)
    page.click("#row-3")
    page.type("body", ".")
    go_to(page, 61_234)
    page.settle()
    page.screenshot(SCREENSHOTS / f"trace-{width}-{'dark' if dark else 'light'}.png")
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert overflowing(page) == []
    assert page.complaints() == []


def test_a_message_without_a_label_is_called_by_its_body(browser, tmp_path):
    file = tmp_path / "plain.html"
    file.write_text(trace(History().sent(0, "m-1", body="hello").sent(0, "m-2").deleted(9, "m-1")), encoding="utf-8")
    browser.open(file)
    browser.settle()
    assert browser.texts(".row .name") == ["hello", "m-2"]


def test_a_name_that_turns_words_round_turns_none_of_the_page(browser, tmp_path):
    """A right-to-left override in a label is shown as a character, and ends with the name."""
    history = History().sent(0, "m-1", body="\u202eabc", label="\u202elater").received(0, "m-1").pollers(9, 1)
    file = tmp_path / "turned.html"
    file.write_text(trace(history), encoding="utf-8")
    browser.open(file)
    browser.settle()
    browser.click("#row-0")
    named = ["�later"]
    assert browser.texts(".row .name") == browser.texts("#story-title bdi") == browser.texts("#state h3 bdi") == named
    assert browser.text("#story-body") == "\u202eabc"
    assert "\u202e" not in browser.text("main").replace("\u202eabc", "")


def test_the_line_of_the_story_at_the_cursor_is_marked(page, dead):
    """By a color behind it, which its button lets through."""
    pick(page, dead)
    go_to(page, 1_000)
    assert len(page.texts("#story-lines .here")) == 1
    color = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    assert page.run(color, "#story-lines .here") != page.run(color, "#story-lines li:last-child")
    assert page.run(color, "#story-lines .here button") == "rgba(0, 0, 0, 0)"


def test_picking_a_message_scrolls_to_the_lanes_where_it_was(browser, tmp_path):
    """Also among hundreds; and so does stepping through invocations."""
    history = History().pollers(0, 200)
    for number in range(200):
        name, consumer = f"m-{number}", f"Trigger/{number}"
        history.sent(number, name).received(number, name, consumer=consumer).batch(number, number, name)
        history.facts[-1] = replace(history.facts[-1], consumer=consumer)
        history.invoked(number, number, name).ended(number + 1, number, name)
        history.facts[-1] = replace(history.facts[-1], environment=f"Worker-{number}")
    file = tmp_path / "many.html"
    file.write_text(trace(history), encoding="utf-8")
    browser.open(file)
    browser.settle()
    assert browser.text("#lanes-said") == (
        "■ 200 execution environments, □ 200 pollers that held a message; scroll for the rest."
    )
    scrolled = "const lanes = document.getElementById('lanes'); return [lanes.scrollTop, lanes.clientHeight]"
    lane = browser.run("return document.getElementById('lanes-space').clientHeight") / 400
    assert browser.run(scrolled)[0] == 0
    pick(browser, "m-150")
    top, height = browser.run(scrolled)
    assert top < 150 * lane < top + height
    browser.run("document.getElementById('cursor').focus()")
    browser.type("#cursor", ".")
    assert browser.run(scrolled)[0] < lane


def test_zooming_to_a_message_shows_its_life(page):
    page.type("#search", "o-1")
    page.click("#row-0")
    before = page.run("return document.getElementById('axis').toDataURL()")
    page.click("#whole")
    assert page.run("return document.getElementById('axis').toDataURL()") != before


def test_times_are_written_as_everywhere_else(page):
    """As in stories and diagnoses, so that they can be found there."""
    go_to(page, 61_234)
    assert page.run("return document.getElementById('now').value") == show_duration(61_234) == "1m1s234ms"


def test_the_page_of_a_run_that_was_cut_off_says_what_it_does_not_know(browser, tmp_path):
    """Of a batch that waits for its next try, and of an invocation that has not ended."""
    history = History().pollers(0, 2).sent(0, "a").received(0, "a").batch(0, 1, "a").throttled(0, 1, "a")
    history.facts[-1] = replace(history.facts[-1], consumer="Trigger/1", retry_at=T + 5_000)
    history.sent(0, "b").received(0, "b", consumer="Trigger/2").batch(0, 2, "b").invoked(0, 2, "b").pollers(900, 3)
    batch = next(fact for fact in history if fact.event == "batch" and fact.batch == 2)
    history.facts[history.facts.index(batch)] = replace(batch, consumer="Trigger/2")
    file = tmp_path / "cut.html"
    file.write_text(trace(history), encoding="utf-8")
    browser.open(file)
    browser.settle()
    assert browser.texts("[data-poller] span") == [
        "holds batch 1 (1 message), throttled 1 \u00d7, next try at 5s",
        "runs batch 2 (1 message) for 0s, not ended when the run did",
    ]


def test_redacted_it_says_so(browser, journal, tmp_path):
    file = tmp_path / "redacted.html"
    file.write_text(trace(journal, diagnose(journal), redact=True), encoding="utf-8")
    browser.open(file)
    browser.settle()
    assert "bodies are hidden" in browser.text("#found")
    assert browser.complaints() == []
