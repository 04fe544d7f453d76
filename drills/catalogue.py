"""Every drill: the fault, the series that shows it, the alert that must fire, and where to look."""

from drills.drill import Drill
from drills.faults import clients, killed, parted, program, replica, restarted

_LOG = "docker compose logs --no-log-prefix --since 1m"
_ENDS = "docker compose logs --no-log-prefix --tail 1"
_OF_THE_DRILL = "docker logs --since 1m $(docker compose ps --all | grep -o '^[^ ]*-drill ') 2>&1"


def _closed(outcome: str) -> str:
    """Return the rate of connections with an outcome, as PromQL."""
    return f'sum by (outcome) (rate(socketserver_connections_closed_total{{outcome="{outcome}"}}[10s])) > 0'


def _lines(condition: str, *fields: str, log: str = f"{_LOG} server replica") -> str:
    """Return a command that prints some fields of the log lines that meet a condition."""
    # Compose puts a terminal's control sequence before a line, and a program its warnings beside the log.
    return f"{log} | grep -o '{{.*}}' | jq -c 'select({condition}) | {{timestamp, {', '.join(fields)}}}'"


_FAILURES = ("server", "Failures and refusals")

_HANDLER = """\
import os, random, socketserver, time
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        line = self.rfile.readline()
        reply = b"[" + time.ctime().encode() + b"] " + line
"""
"""The service as anybody would write it, up to the reply."""

DRILLS = (
    Drill(
        name="slow-clients",
        what="Clients send a byte a second and do not finish their line within the read deadline.",
        fault=clients(
            "!dribble 1B/1s a line whose end is further away than the deadline\n<~ ERR timeout\n",
            "--rate 15 --users 200",
        ),
        seen="sum(socketserver_connections_open) > 50",
        alert="ConnectionsFail",
        panel=_FAILURES,
        lines=_lines('.outcome == "read_timeout"', "peer", "received_bytes", "handle_seconds"),
    ),
    Drill(
        name="flood",
        what="More clients than a server may have at once connect and keep their connections.",
        fault=clients(
            "@eol none\n@reply none\n> a line that goes on\n!hold 4s\n",
            "--connect pass --rate 300 --users 1300",
        ),
        seen='sum by (reason) (rate(socketserver_connections_rejected_total{reason="capacity"}[10s])) > 0',
        alert="ConnectionsRefused",
        panel=("server", "Connection limit in use"),
        lines=_lines('.event == "connection_rejected"', "listener", "reason", "count"),
    ),
    Drill(
        name="oversized-lines",
        what="Clients send lines that are longer than the server takes.",
        fault=clients("!flood 16KiB\n<~ ERR line too long\n", "--rate 20 --users 20"),
        seen=_closed("line_too_long"),
        alert="ConnectionsFail",
        panel=_FAILURES,
        lines=_lines('.outcome == "line_too_long"', "peer", "received_bytes"),
    ),
    Drill(
        name="resets",
        what="Clients send the beginning of a line and reset their connection.",
        fault=clients(
            "@eol none\n@reply none\n> the beginning of a line\npause 50ms\n!reset\n",
            "--connect pass --rate 20 --users 20",
        ),
        seen=_closed("reset"),
        alert="ConnectionsFail",
        panel=_FAILURES,
        lines=_lines('.outcome == "reset"', "peer", "received_bytes"),
    ),
    Drill(
        name="half-closed-peers",
        what="Clients shut down sending, some before a word, some in the middle of a line; all are served.",
        fault=program(
            "import socket, time\n"
            "while True:\n"
            "    for said in (b'', b'no end'):\n"
            "        with socket.create_connection(('server', 21567), 5) as peer:\n"
            "            peer.sendall(said)\n"
            "            peer.shutdown(socket.SHUT_WR)\n"
            "            while peer.recv(4096): pass\n"
            "    time.sleep(0.05)\n"
        ),
        seen=_closed("empty"),
        alert=None,
        panel=("server", "Connections by outcome"),
        section="Traffic",
        lines=_lines('.received_bytes == 6 and .outcome == "ok"', "peer", "sent_bytes"),
    ),
    Drill(
        name="slow-handler",
        what="One more server, whose handler takes its time before it replies.",
        fault=replica(f"{_HANDLER}        time.sleep(0.08)\n        self.wfile.write(reply)\n"),
        seen="histogram_quantile(0.5, sum by (instance, le) ("
        "rate(socketserver_response_duration_seconds_bucket[10s]))) > 0.05",
        alert="RepliesLate",
        panel=("server", "Response duration"),
        lines=_lines(".handle_seconds > 0.08", "peer", "handle_seconds", log=_OF_THE_DRILL),
    ),
    Drill(
        name="failing-handler",
        what="One more server, whose handler fails three requests in ten.",
        fault=replica(
            f"{_HANDLER}        if random.random() < 0.3:\n            raise LookupError('no such order')\n"
            "        self.wfile.write(reply)\n"
        ),
        seen=_closed("handler_error"),
        alert="ConnectionsFail",
        panel=_FAILURES,
        lines=_lines('.outcome == "handler_error"', "peer", "error", log=_OF_THE_DRILL),
    ),
    Drill(
        name="descriptors",
        what="One more server, which may open 256 files, and whose handler does not close all that it opens.",
        fault=replica(
            "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))\nopen_ones = []\n"
            f"{_HANDLER}        if len(open_ones) < 210:\n"
            "            open_ones.extend(os.open('/dev/null', os.O_RDONLY) for _ in range(5))\n"
            "        self.wfile.write(reply)\n"
        ),
        seen="process_open_fds / process_max_fds > 0.8",
        alert="DescriptorsNear",
        panel=("server", "File descriptors in use"),
        lines=_lines('.event == "connection"', "peer", "connection_id", log=_OF_THE_DRILL),
    ),
    Drill(
        name="stalled-log",
        what="One more server, which logs a lot, and whose log nobody reads.",
        fault=replica(
            "import structlog\n"
            f"{_HANDLER}        self.wfile.write(reply)\n"
            "        for _ in range(10):\n"
            "            structlog.get_logger().info('order', text='x' * 15_000)\n"
            "os.dup2(os.pipe()[1], 1)\n"
        ),
        seen="sum by (instance) (rate(socketserver_log_lines_dropped_total[10s])) > 0",
        alert="LogLinesDropped",
        panel=("server", "Log lines"),
        lines=None,  # they are what is missing
    ),
    Drill(
        name="killed-server",
        what="Every server is killed, and nobody starts it again.",
        fault=killed("server", "replica", all_of_them=True),
        seen='absent(up{job="server"} == 1)',
        alert="NoServer",
        panel=("overview", "Which replicas were up"),
        lines=_lines('.level != "debug"', "event", "outcome", log=f"{_ENDS} server"),
    ),
    Drill(
        name="killed-replica",
        what="One of three servers is killed.",
        fault=killed("replica"),
        seen='count by (job) (up{job="server"} == 1) < max_over_time(job:server_up:count[1m])',
        alert="ReplicaDown",
        panel=("overview", "Which replicas were up"),
        lines=_lines('.level != "debug"', "event", "outcome", log=f"{_ENDS} replica"),
        servers=3,
    ),
    Drill(
        name="rolling-restart",
        what="All servers are restarted in order, one after the other, under load.",
        fault=restarted,
        seen="sum by (instance) (socketserver_draining) > 0",
        alert=None,
        panel=("overview", "Which replicas were up"),
        section="Which container",
        lines=_lines('.event == "drain_finished"', "forced", "seconds"),
        servers=2,
    ),
    Drill(
        name="rate-not-held",
        what="One more client, whose two users cannot play the twenty passes a second that it was asked for.",
        fault=clients("> hello\n<~ hello\npause 500ms\n", "--rate 20 --users 2", scraped=True),
        seen="sum by (job, instance) (rate(replay_passes_total[10s]))"
        " < on (job, instance) 0.9 * replay_target_passes_per_second",
        alert="RateNotHeld",
        panel=("client", "Passes played, asked for and dropped"),
        lines=_lines('.event == "progress"', "users", "passes", "p99_seconds", log=_OF_THE_DRILL),
    ),
    Drill(
        name="partition",
        what="The client is in a network where no server is; Prometheus sees both.",
        fault=parted,
        seen='sum by (outcome) (rate(replay_exchanges_total{outcome!="ok"}[10s])) > 0',
        alert="ClientsFail",
        panel=("overview", "Failed exchanges by outcome"),
        lines=_lines('.event == "progress"', "ok", "failed", log=f"{_LOG} client"),
    ),
    Drill(
        name="health-check",
        what="A load balancer's health check connects and leaves without a byte, twenty times a second.",
        fault=program(
            "import socket, time\n"
            "while True:\n"
            "    socket.create_connection(('server', 21567), 5).close()\n"
            "    time.sleep(0.05)\n"
        ),
        seen=_closed("empty"),
        alert=None,
        panel=("server", "Connections by outcome"),
        section="ConnectionsFail",
        lines=_lines('.outcome == "empty"', "peer", "received_bytes"),
    ),
)
