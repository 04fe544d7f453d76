"""What a recording writes as variables: what a server hands out and gets back, and secrets."""

import re
from pathlib import Path
from time import thread_time

import pytest

from socketscope.replay.record.recorder import written
from socketscope.replay.record.secrets import Secrets
from socketscope.replay.record.tape import Tape
from socketscope.replay.record.transcript import transcript
from socketscope.replay.script.compiler import compile_script
from socketscope.replay.script.parser import parse_transcript
from tests.unit.replay.record.tapes import script

TOKENS = {
    "a job": (
        [(">", b"put 0 0 60 5\r\nhello\r\n"), ("<", b"INSERTED 7\r\n"), (">", b"reserve\r\n"),
         ("<", b"RESERVED 7 7\r\n"), (">", b"delete 7\r\n"), ("<", b"DELETED\r\n")],
        "> put 0 0 60 5\\r\\nhello\n<~ ^INSERTED (?P<inserted>\\d+)$\n"  # noqa: ISC004 - one script
        "> reserve\n< RESERVED ${inserted} 7\n> delete ${inserted}\n< DELETED\n",
    ),
    "a session": (
        [("<", b'{"id":3,"nonce":"bd1f-90ae-4411"}\n'), (">", b"hi bd1f-90ae-4411 x\n"),
         ("<", b"OK $bd1f-90ae-4411 1\n")],
        '<~ ^\\{"id":3,"nonce":"(?P<nonce>[\\w-]+)"\\}$\n@eol lf\n> hi ${nonce} x\n< OK \\x24${nonce} 1\n',
    ),
    "what the client said first is its own": (
        [(">", b"SET a1b2c3d4e5\n"), ("<", b"a1b2c3d4e5\n"), (">", b"GET a1b2c3d4e5\n"), ("<", b"1\n")],
        "@eol lf\n> SET a1b2c3d4e5\n< a1b2c3d4e5\n> GET a1b2c3d4e5\n< 1\n",
    ),
    "lengths are no tokens": (
        [(">", b"*1\r\n$4\r\nPING\r\n"), ("<", b"$3\r\n"), (">", b"*3\r\n$3\r\nSET\r\n"), ("<", b"+OK\r\n")],
        "> *1\\r\\n$4\\r\\nPING\n< $3\n> *3\\r\\n$3\\r\\nSET\n< +OK\n",
    ),
    "a job with a number that was said": (
        [(">", b"put 5\n"), ("<", b"INSERTED 5\n"), (">", b"delete 5\n"), ("<", b"DELETED\n")],
        "@eol lf\n> put 5\n<~ ^INSERTED (?P<inserted>\\d+)$\n> delete ${inserted}\n< DELETED\n",
    ),
    "an echo is no token": (
        [(">", b"one 5\n"), ("<", b"one 5\n"), (">", b"two 5\n"), ("<", b"two 5\n")],
        "@eol lf\n> one 5\n< one 5\n> two 5\n< two 5\n",
    ),
    "counts are no tokens": (
        [("<", b"+OK 2 68\n"), (">", b"RETR 2\n"), ("<", b"* SEARCH 1\n"), (">", b"FETCH 1\n")],
        "< +OK 2 68\n@eol lf\n> RETR 2\n< * SEARCH 1\n@reply none\n> FETCH 1\n",
    ),
    "nor is 0": (
        [(">", b"count\n"), ("<", b"COUNT 0\n"), (">", b"get 0\n"), ("<", b"OK\n")],
        "@eol lf\n> count\n< COUNT 0\n> get 0\n< OK\n",
    ),
    "nor is a part of a word": (
        [(">", b"put\n"), ("<", b"INSERTED 7\n"), (">", b"get n=7 x\n"), ("<", b"OK\n")],
        "@eol lf\n> put\n< INSERTED 7\n> get n=7 x\n< OK\n",
    ),
    "words of a protocol are no tokens": (
        [("<", b"250 8BITMIME\n"), (">", b"MAIL BODY=8BITMIME\n"), ("<", b"250 ok\n")],
        "< 250 8BITMIME\n@eol lf\n> MAIL BODY=8BITMIME\n< 250 ok\n",
    ),
    "a day is no token": (
        [("<", b"Thu, 26 Nov 2026 05:45:54\n"), (">", b"year 2026\n"), ("<", b"ok\n")],
        "<~ ^\\w{3}, [ \\d]?\\d \\w{3} \\d{4} \\d\\d:\\d\\d:\\d\\d$\n@eol lf\n> year 2026\n< ok\n",
    ),
    "names that are another's already": (
        [("<", b"seq 12345 seq 67890\n"), (">", b"12345 67890\n"), ("<", b"ok\n")],
        "<~ ^seq (?P<seq_2>\\d+) seq (?P<seq_3>\\d+)$\n@eol lf\n> ${seq_2} ${seq_3}\n< ok\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), TOKENS.values(), ids=TOKENS)
def test_what_a_server_hands_out_and_gets_back_is_a_variable(said, expected):
    assert script(*said) == expected
    compile_text(script(*said))


def compile_text(text: str) -> None:
    compile_script(parse_transcript(text, "x.talk"), Path())


SECRETS = {
    "PASS": ([(">", b"USER ada\r\n"), ("<", b"+OK\r\n"), (">", b"PASS open sesame\r\n"), ("<", b"+OK\r\n")],
             "> USER ada\n< +OK\n> PASS ${env:SECRET_1}\n< +OK\n"),
    "IMAP": (
        [(">", b'a1 login ada "lo ve"\r\n'), ("<", b"a1 OK\r\n")],
        "> a1 login ada ${env:SECRET_1}\n< a1 OK\n",
    ),
    "a literal of IMAP's": (
        [(">", b"a1 LOGIN {3}\r\n"), ("<", b"+ OK\r\n"), (">", b"ada {4}\r\n"), ("<", b"+ OK\r\n"),
         (">", b"love\r\n"), ("<", b"a1 OK\r\n"), (">", b"a2 NOOP\r\n"), ("<", b"a2 OK\r\n")],
        "> a1 LOGIN {3}\n< + OK\n> ${env:SECRET_1}\n< + OK\n> ${env:SECRET_2}\n< a1 OK\n> a2 NOOP\n< a2 OK\n",
    ),
    "literals that IMAP's server is not asked about": (
        [(">", b"a1 LOGIN {3+}\r\nada {6+}\r\nlo\r\nve\r\n"), ("<", b"a1 OK\r\n")],
        "> a1 LOGIN {3+}\\r\\nada {6+}\\r\\n${env:SECRET_1}\n< a1 OK\n",
    ),
    "one of ManageSieve's": (
        [(">", b'AUTHENTICATE "PLAIN" {12+}\r\nAGFkYQBsb3Zl\r\n'), ("<", b"OK\r\n")],
        '> AUTHENTICATE "PLAIN" {12+}\\r\\n${env:SECRET_1}\n< OK\n',
    ),
    "NNTP": (
        [(">", b"AUTHINFO USER ada\r\n"), ("<", b"381 go on\r\n"), (">", b"AUTHINFO PASS love\r\n"),
         ("<", b"281 ok\r\n")],
        "> AUTHINFO USER ada\n< 381 go on\n> AUTHINFO PASS ${env:SECRET_1}\n< 281 ok\n",
    ),
    "NNTP's SASL": (
        [(">", b"AUTHINFO SASL PLAIN AGFkYQBsb3Zl\r\n"), ("<", b"281 ok\r\n")],
        "> AUTHINFO SASL PLAIN ${env:SECRET_1}\n< 281 ok\n",
    ),
    "NNTP's SASL in steps": (
        [(">", b"AUTHINFO SASL PLAIN\r\n"), ("<", b"383 =\r\n"), (">", b"AGFkYQBsb3Zl\r\n"),
         ("<", b"281 ok\r\n")],
        "> AUTHINFO SASL PLAIN\n< 383 =\n> ${env:SECRET_1}\n< 281 ok\n",
    ),
    "SMTP": (
        [(">", b"AUTH PLAIN AGFkYQBsb3Zl\r\n"), ("<", b"235 ok\r\n"), (">", b"DATA\r\n"),
         ("<", b"354 go\r\n")],
        "> AUTH PLAIN ${env:SECRET_1}\n< 235 ok\n> DATA\n< 354 go\n",
    ),
    "one who gives up has no secret": (
        [(">", b"AUTH LOGIN\r\n"), ("<", b"334 VXNlcm5hbWU6\r\n"), (">", b"*\r\n"), ("<", b"501 no\r\n")],
        "> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> *\n< 501 no\n",
    ),
    "SMTP in steps": (
        [(">", b"AUTH LOGIN\r\n"), ("<", b"334 VXNlcm5hbWU6\r\n"), (">", b"YWRh\r\n"),
         ("<", b"334 UGFzcw==\r\n"), (">", b"bG92ZQ==\r\n"), ("<", b"235 ok\r\n")],
        "> AUTH LOGIN\n< 334 VXNlcm5hbWU6\n> ${env:SECRET_1}\n< 334 UGFzcw==\n> ${env:SECRET_2}\n< 235 ok\n",
    ),
    "a message that is asked for after the login": (
        [(">", b"a AUTHENTICATE PLAIN\r\n"), ("<", b"+ go\r\n"), (">", b"AGFkYQBsb3Zl\r\n"), ("<", b"OK\r\n"),
         (">", b"b APPEND x {2}\r\n"), ("<", b"+ go\r\n"), (">", b"hi\r\n"), ("<", b"OK\r\n")],
        "> a AUTHENTICATE PLAIN\n< + go\n> ${env:SECRET_1}\n< OK\n> b APPEND x {2}\n< + go\n> hi\n< OK\n",
    ),
    "a person's login": (
        [("<", b"login: "), (">", b"ada\r\n"), ("<", b"Password: "), (">", b"love\r\n"), ("<", b"\r\n$ "),
         (">", b"id\r\n"), ("<", b"ada\r\n")],
        "<| login:\\x20\n> ada\n<| Password:\\x20\n> ${env:SECRET_1}\n< \n<| $\\x20\n> id\n< ada\n",
    ),
    "asked for in a line, and answered with more than it": (
        [(">", b"login\r\n"), ("<", b"Password for 'ada'?\r\n"), (">", b"love\r\nid\r\n"), ("<", b"ok\r\n")],
        "> login\n< Password for 'ada'?\n> ${env:SECRET_1}\\r\\nid\n< ok\n",
    ),
    "a status that asks for a command": (
        [(">", b"USER a\r\n"), ("<", b"331 Password:\r\n"), (">", b"PASS love\r\n"), ("<", b"230 ok\r\n")],
        "> USER a\n< 331 Password:\n> PASS ${env:SECRET_1}\n< 230 ok\n",
    ),
    "a prompt with an angle": (
        [("<", b"Password>"), (">", b"love\r\n"), ("<", b"ok\r\n")],
        "<| Password>\n> ${env:SECRET_1}\n< ok\n",
    ),
    "a tag that tells of a password": (
        [(">", b"<login/>\r\n"), ("<", b"<no>wrong password</no>\r\n"), (">", b"<list/>\r\n"),
         ("<", b"ok\r\n")],
        "> <login/>\n< <no>wrong password</no>\n> <list/>\n< ok\n",
    ),
    "redis' HELLO": ([(">", b"HELLO 3 AUTH default foobared\r\n"), ("<", b"%7\r\n")],
                     "> HELLO 3 AUTH default ${env:SECRET_1}\n< %7\n"),
    "redis": ([(">", b"AUTH default foobared\r\n"), ("<", b"+OK\r\n")],
              "> AUTH default ${env:SECRET_1}\n< +OK\n"),
    "redis' protocol": (
        [(">", b"*2\r\n$4\r\nAUTH\r\n$8\r\nfoobared\r\n"), ("<", b"-ERR foobared?\r\n")],
        "> *2\\r\\n$4\\r\\nAUTH\\r\\n$8\\r\\n${env:SECRET_1}\n< -ERR ${env:SECRET_1}?\n",
    ),
    "HTTP": (
        [(">", b"GET / HTTP/1.0\r\nAuthorization: Basic YTpi\r\n\r\n"), ("<", b"HTTP/1.0 200 OK\r\n")],
        "> GET / HTTP/1.0\\r\\nAuthorization: Basic ${env:SECRET_1}\\r\\n\n< HTTP/1.0 200 OK\n",
    ),
    "NATS": (
        [(">", b'CONNECT {"user":"a","pass":"s3"}\r\n'), ("<", b"+OK\r\n")],
        '> CONNECT {"user":"a","pass":"${env:SECRET_1}"}\n< +OK\n',
    ),
    "no secret": ([(">", b"SET PASS x\r\n"), ("<", b"+OK\r\n"), (">", b"SET login me\r\n"), ("<", b"x\r\n")],
                  "> SET PASS x\n< +OK\n> SET login me\n< x\n"),
    "said again": ([(">", b"PASS sesame\r\n"), ("<", b"+OK\r\n"), (">", b"SET pw sesame1\r\n"),
                    ("<", b"x\r\n")], "> PASS ${env:SECRET_1}\n< +OK\n> SET pw ${env:SECRET_1}1\n< x\n"),
    "too short to be known again": (
        [(">", b"PASS abc\r\n"), ("<", b"+OK\r\n"), (">", b"GET abcd\r\n"), ("<", b"abc\r\n")],
        "> PASS ${env:SECRET_1}\n< +OK\n> GET abcd\n< abc\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "expected"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_variables_of_the_environment(said, expected, monkeypatch):
    assert script(*said) == expected
    monkeypatch.setenv("SECRET_1", "x")
    monkeypatch.setenv("SECRET_2", "y")
    compile_text(script(*said))


def test_what_a_user_says_is_secret_is_written_nowhere():
    secrets = Secrets((re.compile(rb"card (\d+)"), re.compile(rb"token=\w+")))
    said = [
        (">", b"pay card 4111 now\n"),
        ("<", b"paid card 4111, card 17, token=xyz\n"),
        (">", b"pay card 4111\n"),
    ]
    assert script(*said, secrets=secrets) == (
        "@eol lf\n> pay card ${env:SECRET_1} now\n<~ ^paid card ${env:SECRET_1}, card .*, .*$\n"
        "@reply none\n> pay card ${env:SECRET_1}\n"
    )
    assert secrets.names == ("SECRET_1",)


@pytest.mark.parametrize("end", [b"\r", b"\0"])
def test_secrets_are_found_whatever_ends_a_line(end):
    said = [(">", b"HELLO" + end), ("<", b"hi" + end), (">", b"AUTH wrong" + end), ("<", b"no" + end)]
    said += [(">", b"AUTH LOGIN" + end), ("<", b"334 name" + end), (">", b"YWRh" + end), ("<", b"ok" + end)]
    said += [(">", b"LIST" + end), ("<", b"none" + end)]
    shown = end.decode().encode("unicode_escape").decode().replace("x00", "0")
    assert script(*said) == (
        f"@eol none\n> HELLO{shown}\n<| hi{shown}\n> AUTH ${{env:SECRET_1}}{shown}\n<| no{shown}\n"
        f"> AUTH LOGIN{shown}\n<| 334 name{shown}\n> ${{env:SECRET_2}}{shown}\n<| ok{shown}\n"
        f"> LIST{shown}\n<| none{shown}\n"
    )


def test_secrets_are_found_behind_the_length_of_a_message():
    said = [
        (("><")[number % 2], len(text).to_bytes(4) + text)
        for number, text in enumerate((b"HELLO", b"hi", b"AUTH sesame", b"ok", b"LIST", b"none"))
    ]
    assert script(*said) == (
        "@eol none\n> \\0\\0\\0\\x05HELLO\n<| \\0\\0\\0\\x02hi\n"
        "> \\0\\0\\0\\x0bAUTH ${env:SECRET_1}\n<| \\0\\0\\0\\x02ok\n"
        "> \\0\\0\\0\\x04LIST\n<| \\0\\0\\0\\x04none\n"
    )


@pytest.mark.parametrize("expression", [rb"password=(\w+)", rb"(?<=password=).*"])
def test_the_message_behind_one_that_ends_with_a_secret_is_written_as_it_was(expression):
    secrets = Secrets((re.compile(expression),))
    said = [
        (">", b"to=x&password=sesame"),
        ("<", b"ok"),
        (">", b"GET /?password=other more\n"),
        ("<", b"hi\n"),
    ]
    expected = {
        rb"password=(\w+)": "GET /?password=${env:SECRET_2} more",
        rb"(?<=password=).*": "GET /?password=${env:SECRET_2}",
    }
    assert script(*said, secrets=secrets) == (
        f"@eol none\n> to=x&password=${{env:SECRET_1}}\n<| ok\n@eol lf\n> {expected[expression]}\n< hi\n"
    )


@pytest.mark.parametrize("shown", [bytes, lambda typed: b"*" * len(typed)], ids=["itself", "stars"])
def test_what_a_user_says_is_secret_does_not_end_where_the_server_shows_what_is_typed(shown):
    secrets = Secrets((re.compile(rb"(?<=key )\S+"),))
    typed = [(kind, data) for each in (b"se", b"same") for kind, data in ((">", each), ("<", shown(each)))]
    text = script((">", b"key "), ("<", b"key "), *typed, (">", b"\n"), ("<", b"\nok\n"), secrets=secrets)
    assert "> ${env:SECRET_1}\n" in text
    assert "> ${env:SECRET_2}\n" in text
    assert "same" not in text


def test_a_secret_that_goes_back_is_taken_from_the_reply():
    said = [("<", b"hi token=abc12345 x\n"), (">", b"use abc12345\n"), ("<", b"ok\n")]
    text = script(*said, secrets=Secrets((re.compile(rb"token=\w+"),)))
    assert text == "<~ ^hi token=(?P<token>\\w+) x$\n@eol lf\n> use ${token}\n< ok\n"
    compile_text(text)


@pytest.mark.parametrize("tokens", [(b"b72ce0479c3932e2", b"a1b2c3d4"), (b"00debefdd3dcc471", b"c0ff0123")])
def test_a_token_is_not_named_after_another_which_is_another_each_time(tokens):
    said = [("<", b"HELLO %b %b\n" % tokens), (">", b"use %b %b\n" % tokens), ("<", b"ok\n")]
    expected = "<~ ^HELLO (?P<hello>\\w+) (?P<hello_2>\\w+)$\n@eol lf\n> use ${hello} ${hello_2}\n< ok\n"
    assert script(*said) == expected


LONG = {
    "a line that may ask for a password": [(">", b"a\n"), ("<", b"password " * 20_000), (">", b"b\n")],
    "a line that may begin with a tag": [(">", b"1" * 60_000 + b"\n")],
    "one date many times": [
        (">", b"2026-11-29 " * 5_000 + b"\n"), ("<", b"2026-11-29 " * 5_000 + b"\n"), (">", b"2026-11-29\n"),
    ],
    "many jobs": [
        said
        for job in range(10_000, 12_000)
        for said in ((">", b"put\n"), ("<", b"INSERTED %d\n" % job), (">", b"del %d\n" % job), ("<", b"OK\n"))
    ],
    "many passwords": [
        said for number in range(6_000) for said in ((">", b"AUTH word%d\n" % number), ("<", b"+OK\n"))
    ],
    "one password many times": [(">", b"AUTH word\n"), ("<", b"+OK\n")] * 15_000,
}  # fmt: skip


@pytest.mark.parametrize("said", LONG.values(), ids=LONG.keys())
def test_a_recorder_has_time_for_its_clients_however_long_one_of_them_speaks(said):
    began = thread_time()
    script(*said)
    assert thread_time() - began < 5


def test_a_secret_of_two_lines_is_none_where_the_server_ends_one_with_it_and_begins_another():
    said = [(">", b"a=one\ntwo;\n"), ("<", b"one\n"), ("<", b"two;\n"), (">", b"a=one\ntwo;\n"), ("<", b"\n")]
    text = script(*said, secrets=Secrets((re.compile(rb"a=(one\ntwo);"),)))
    assert text == "@eol lf\n> a=${env:SECRET_1};\n< one\n< two;\n> a=${env:SECRET_1};\n< \n"


@pytest.mark.parametrize("password", ["pass the salt", "auth me now", "x login y z"])
def test_a_password_of_redis_is_one_whatever_it_begins_with(password):
    said = f"*2\r\n$4\r\nAUTH\r\n${len(password)}\r\n{password}\r\n".encode()
    expected = f"> *2\\r\\n$4\\r\\nAUTH\\r\\n${len(password)}\\r\\n${{env:SECRET_1}}\n< +OK\n"
    assert script((">", said), ("<", b"+OK\r\n"), secrets=Secrets(())) == expected


def test_a_pause_stays_where_it_was_behind_a_secret():
    said = Tape(0.0)
    said.client_said(b"PASS correcthorse\r\n", 0.0)
    said.server_said(b"+OK\r\n", 0.0)
    said.client_said(b"LIST\r\n", 2.0)
    conversation = said.conversation()
    assert conversation is not None
    text = transcript(written(conversation, Secrets([])), with_pauses=True)
    assert "\n> PASS ${env:SECRET_1}\n< +OK\n" in text
    assert "\npause 2s\n" in text.partition("< +OK\n")[2]
