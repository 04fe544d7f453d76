"""Mail: taken, and kept."""

import imaplib

from .peer import Peer, Place, say

_DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={folder}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""


def _smtp_counts(place: Place) -> dict[str, int]:
    return {"messages": len(list((place.folder / "mail" / "new").iterdir()))}


def _smtp_client(place: Place) -> None:
    for recipient in ("a@example.org", "b@example.org,c@example.org"):
        say("swaks", "--server", f"127.0.0.1:{place.port}", "--from", "me@example.org", "--to", recipient)


def _start_dovecot(place: Place) -> list[str]:
    # Those who keep the mail are not those who ask for passwords, and neither is root.
    mail = place.folder / "mail"
    mail.mkdir()
    mail.chmod(0o777)
    configuration = place.write("dovecot.conf", _DOVECOT.format_map(vars(place)))
    return ["dovecot", "-F", "-c", str(configuration)]


def _imap_counts(place: Place) -> dict[str, int]:
    return place.count_lines(
        "log", logins=r"imap-login: Info: Login: ", expunged=r" expunged=1 ", fetched=r" body_count=1 "
    )


def _imap_client(place: Place) -> None:
    with imaplib.IMAP4("127.0.0.1", place.port) as client:
        client.login("imaplib", "secret")
        client.append("INBOX", "", "", b"Subject: hello\r\n\r\nBytes: \xff\r\n")
        client.select()
        client.fetch("1", "(BODY[])")
        client.store("1", "+FLAGS", r"\Deleted")
        client.expunge()


PEERS = (
    Peer(
        name="smtp",
        programs=("aiosmtpd", "swaks"),
        start=lambda place: [
            "aiosmtpd", "-n", "-l", f"127.0.0.1:{place.port}",
            "-c", "aiosmtpd.handlers.Mailbox", f"{place.folder}/mail",
        ],
        count=_smtp_counts,
        a_pass={"messages": 1},
        client=_smtp_client,
    ),
    Peer(
        name="imap",
        programs=("dovecot",),
        start=_start_dovecot,
        count=_imap_counts,
        a_pass={"logins": 1, "expunged": 1, "fetched": 1},
        client=_imap_client,
        secrets={"SECRET_1": "secret"},
    ),
)  # fmt: skip
