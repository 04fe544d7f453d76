"""`top`: the dashboard in a terminal."""

from urllib.parse import urlsplit

import click

from socketscope.commands.options import DURATION
from socketscope.commands.parsed import Parsed
from socketscope.commands.streams import Unread, discard_output
from socketscope.replay.signals import Stopped, stoppable
from socketscope.replay.watch import top as screen
from socketscope.replay.watch.scrape import Unusable


def parse_page(text: str) -> str:
    """Return the URL of a page of metrics; ``HOST:PORT`` is enough.

    Raises:
        ValueError: The text is not such a URL.
    """
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"{text!r} is not a URL of metrics: write it like http://localhost:9464/metrics")
    return url if parts.path.strip("/") else parts._replace(path="/metrics").geturl()


@click.command()
@click.argument("urls", nargs=-1, required=True, type=Parsed("URL", parse_page), metavar="URL...")
@click.option("--interval", type=DURATION, default="1s", help="How often to look.")
def top(urls: tuple[str, ...], interval: float) -> int:
    """Show the metrics of servers and replays, replicas summed.

    URL is a /metrics page, or just HOST:PORT. q or Ctrl-C ends it. Without a terminal, it prints a line per
    interval for the servers, and one for the replays.
    """
    if interval <= 0:
        raise click.BadParameter("it must be more than 0", param_hint="'--interval'")
    try:
        with stoppable():
            screen.show(screen.first_look(urls, interval), interval)
    except Unusable as error:
        raise click.ClickException(str(error)) from error
    except Unread:
        discard_output()  # as of `head`: the user has seen enough
    except Stopped as stopped:
        return stopped.status
    return 0
