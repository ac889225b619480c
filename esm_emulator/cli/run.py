"""``esm run``: runs functions against queues in real time, until it is interrupted or everything is done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from esm_emulator.cli.settings import LINES, Settings, pass_settings
from esm_emulator.cli.streams import read_stdin
from esm_emulator.errors import UsageError

if TYPE_CHECKING:
    from esm_emulator.service.service import Wanted
    from esm_emulator.sqs import NewMessage

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


def _variables(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise click.BadParameter(f"takes NAME=VALUE, not {name!r}")
    return {name: value for name, _, value in pairs}


@click.command("run")
@click.argument("config", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--handler", metavar="MODULE.FUNCTION", help="The function's handler, as Lambda names it.")
@click.option("--code", type=click.Path(path_type=Path, exists=True, file_okay=False), help="The folder with its code.")
@click.option("--name", metavar="FUNCTION", help="The function's name; with CONFIG: which function is meant.")
@click.option("--function-timeout", type=int, metavar="S", help="Seconds an invocation may take.")
@click.option("--memory", type=int, metavar="MB", help="The function's memory.")
@click.option(
    "--env",
    type=LINES,
    multiple=True,
    callback=_variables,
    metavar="K=V",
    help="A variable of the function; repeatable.",
)
@click.option("--reserved-concurrency", type=int, metavar="N", help="Most invocations of the function at once.")
@click.option(
    "--isolation",
    type=click.Choice(["process", "inline"]),
    default="process",
    show_default=True,
    help="Where the handler runs: in processes of its own, as in Lambda, or in this one.",
)
@click.option("--reload", is_flag=True, help="Load the code anew when a file of it changes.")
@click.option("--queue-url", metavar="URL", help="Read this queue, of any SQS server, instead of an embedded one.")
@click.option("--endpoint-url", metavar="URL", help="Where that queue's server is, if not where its URL says.")
@click.option("--allow-aws", is_flag=True, help="Allow a real queue of AWS.")
@click.option("--allow-host", "allow_hosts", multiple=True, metavar="HOST", help="Allow a queue on this host.")
@click.option("--visibility-timeout", type=int, metavar="S", help="The queue's visibility timeout.")
@click.option("--max-receive-count", type=int, metavar="N", help="Receives before a message is dead-lettered.")
@click.option("--batch-size", type=int, metavar="N", help="Most messages of a batch.")
@click.option("--window", type=int, metavar="S", help="Seconds for which a batch is gathered.")
@click.option("--report-batch-item-failures", is_flag=True, help="Let the handler say which messages failed.")
@click.option(
    "--filter", "filters", type=LINES, multiple=True, metavar="JSON", help="A filter pattern; several are ORed."
)
@click.option("--maximum-concurrency", type=int, metavar="N", help="Most invocations by this mapping at once.")
@click.option("--profile", default="aws-2026", show_default=True, metavar="NAME", help="Whose numbers to go by.")
@click.option("--send", metavar="FILE|-", help="Send the JSON lines of a file, or of standard input, at the start.")
@click.option("--until-idle", is_flag=True, help="End when everything is done; exit 1 if a message was not handled.")
@click.option("--event-log", type=_FILE, metavar="FILE", help="Write everything that happens as JSON lines.")
@click.option("--web", type=click.IntRange(0, 65_535), metavar="N", help="Serve the trace, live, on this port.")
@click.option("--trace", type=_FILE, metavar="FILE", help="At the end write the run as one HTML page.")
@click.option("--redact", is_flag=True, help="Leave message bodies out of the trace.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=0,
    metavar="N",
    help="Port of the embedded AWS.  [default: a free one]",
)
@click.option("--metrics-port", type=click.IntRange(0, 65_535), metavar="N", help="Serve the metrics to Prometheus.")
@click.option("--json", "as_object", is_flag=True, help="At the end print one JSON object instead of the summary.")
@pass_settings
def command(settings: Settings, /, config: Path | None, send: str | None, **given: Any) -> int:
    """Run functions against queues, as Lambda's event source mapping would.

    CONFIG is an esm.yaml, or a SAM or CloudFormation template. Without it the options describe one function behind one
    queue. Ctrl-C ends it: running invocations finish first, a second Ctrl-C does not wait for them.

    \b
    Examples:
      esm run --handler app.handler
      esm run template.yaml --send messages.jsonl --until-idle
      esm run --handler app.handler --queue-url http://localhost:9324/000000000000/orders

    Exit codes: 0 ended well, 1 with --until-idle a message was dead-lettered or left, 2 bad usage or a file that does
    not load, 3 AWS would refuse the resources, 4 the handler cannot be loaded, 130 interrupted twice.
    """
    from esm_emulator.cli.running import Showing, run  # noqa: PLC0415 - not for esm run --help

    wanted, warnings = _wanted(config, send, given)
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)
    showing = Showing(
        as_object=given["as_object"],
        event_log=given["event_log"],
        metrics_port=given["metrics_port"],
        web=given["web"],
        trace=given["trace"],
        redact=given["redact"],
        warnings=warnings,
    )
    return run(settings, wanted, showing)


def _wanted(config: Path | None, send: str | None, given: dict[str, Any]) -> tuple[Wanted, list[str]]:
    """What the options ask for, and warnings about the file. Raises ``UsageError`` where they contradict each other."""
    from esm_emulator.mapping.filter import creation_rules  # noqa: PLC0415 - not for esm run --help
    from esm_emulator.profiles import profile  # noqa: PLC0415
    from esm_emulator.service.flags import Flags  # noqa: PLC0415
    from esm_emulator.service.outside import Access  # noqa: PLC0415
    from esm_emulator.service.reload import need_watchfiles  # noqa: PLC0415
    from esm_emulator.service.service import Wanted  # noqa: PLC0415
    from esm_emulator.templates import load  # noqa: PLC0415
    from esm_emulator.written import make_writable  # noqa: PLC0415

    if given["redact"] and not given["trace"] and given["web"] is None:
        raise UsageError("--redact leaves bodies out of the trace; give --trace FILE or --web N too")
    if config is None and not given["handler"]:
        raise UsageError(
            "there is nothing to run: name a handler (esm run --handler app.handler) or a file (esm run esm.yaml)"
        )
    if given["endpoint_url"] and not given["queue_url"] and config is None:
        raise UsageError("--endpoint-url says where the queue of --queue-url is served; give --queue-url too")
    if send is not None and given["queue_url"]:
        raise UsageError("--send sends to the embedded queue; to the one at --queue-url send with aws sqs send-message")
    if given["reload"]:
        need_watchfiles()
    if given["trace"]:
        make_writable(given["trace"])
    chosen = profile(given["profile"])
    loaded = None if config is None else load(config, rules=creation_rules(chosen))
    wanted = Wanted(
        flags=Flags(
            function=given["name"],
            handler=given["handler"],
            code=given["code"],
            function_timeout=given["function_timeout"],
            memory=given["memory"],
            reserved_concurrency=given["reserved_concurrency"],
            environment=given["env"],
            batch_size=given["batch_size"],
            window=given["window"],
            report_batch_item_failures=given["report_batch_item_failures"],
            filters=given["filters"],
            maximum_concurrency=given["maximum_concurrency"],
            visibility_timeout=given["visibility_timeout"],
            max_receive_count=given["max_receive_count"],
        ),
        resources=None if loaded is None else loaded.resources,
        queue_url=given["queue_url"],
        access=Access(given["endpoint_url"], given["allow_aws"], given["allow_hosts"]),
        profile=chosen,
        isolation=given["isolation"],
        messages=_messages(send),
        until_idle=given["until_idle"],
        port=given["port"],
        reload=given["reload"],
        not_watched=[file for file in (given["event_log"], given["trace"]) if file],
    )
    return wanted, [str(warning) for warning in loaded.warnings] if loaded else []


def _messages(name: str | None) -> list[NewMessage]:
    """The messages to send: of a file, or of standard input."""
    from esm_emulator.scenario.message_files import messages_of_file, messages_of_text  # noqa: PLC0415

    if name is None:
        return []
    if name != "-":
        return messages_of_file(Path(name))
    try:
        return messages_of_text(read_stdin(), "standard input")
    except UnicodeDecodeError:
        raise UsageError("--send -: standard input is not UTF-8 text; send it as UTF-8") from None
