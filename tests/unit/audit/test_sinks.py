"""Receivers in the user's configuration: valid values, errors, and that no header value is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.audit.settings import load_settings
from dsops.audit.sinks import Sink
from dsops.errors import Problem, UserConfigInvalid


def write(home: Path, text: str, mode: int = 0o600) -> None:
    """Write the user's configuration."""
    file = home / ".config" / "dsops" / "config.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def sinks(home: Path, text: str, mode: int = 0o600) -> tuple[Sink, ...]:
    """Return the receivers in this configuration."""
    write(home, text, mode)
    return load_settings({"HOME": str(home)}).sinks


def problems(home: Path, text: str, mode: int = 0o600) -> list[Problem]:
    """Return the problems of this configuration."""
    write(home, text, mode)
    with pytest.raises(UserConfigInvalid) as caught:
        load_settings({"HOME": str(home)})
    return list(caught.value.problems)


def test_without_a_word_there_is_none(tmp_path: Path) -> None:
    """Without `syslog` and `otlp` in the configuration no receiver is used."""
    assert sinks(tmp_path, "audit: {max_days: 3}\n") == ()


@pytest.mark.parametrize(
    "target", ["/dev/log", "~/log", "udp://logs.example.com:514", "tcp://127.0.0.1:601", "tls://[::1]:6514"]
)
def test_syslog_goes_to_a_socket_or_over_a_network(tmp_path: Path, target: str) -> None:
    """`syslog` is a socket or host, optionally with a facility; the default facility is authpriv (10)."""
    shown_text = target.replace("~", str(tmp_path))
    assert sinks(tmp_path, f"audit:\n  syslog: '{target}'\n") == (Sink("syslog", shown_text, 10),)
    text = f"audit:\n  syslog: {{to: '{target}', facility: LOCAL3, ca_file: ~/ca.pem, format: RFC5424}}\n"
    assert sinks(tmp_path, text) == (Sink("syslog", shown_text, 19, (), f"{tmp_path}/ca.pem", "rfc5424"),)


@pytest.mark.parametrize(
    "endpoint", ["https://collector.example.com:4318/", "http://localhost:4318", "http://[::1]:1/x"]
)
def test_otlp_goes_to_an_address(tmp_path: Path, endpoint: str) -> None:
    """`otlp` is an https URL, or http on loopback; the repr does not show header values."""
    shown_text = endpoint.rstrip("/")
    assert sinks(tmp_path, f"audit: {{otlp: '{endpoint}'}}\n") == (Sink("otlp", shown_text),)
    [sink] = sinks(tmp_path, f"audit: {{otlp: {{endpoint: '{endpoint}', headers: {{Authorization: Bearer hush}}}}}}\n")
    [(name, value)] = sink.headers
    assert (sink.target, name, value.reveal()) == (shown_text, "Authorization", "Bearer hush")
    assert "hush" not in repr(sink)


def test_both_may_be_there(tmp_path: Path) -> None:
    """`syslog` and `otlp` can both be configured, beside the mode."""
    sink_list = sinks(tmp_path, "audit: {mode: required, syslog: /dev/log, otlp: 'http://127.0.0.1:4318'}\n")
    assert [sink.name for sink in sink_list] == ["syslog /dev/log", "otlp http://127.0.0.1:4318"]


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("syslog: log", "audit.syslog.to", "`to` is the path of a socket, or udp://, tcp:// or tls:// with HOST:PORT"),
        ("syslog: 'tcp://host'", "audit.syslog.to", "`to` is the path of a socket"),
        ("syslog: 'tcp://host:0'", "audit.syslog.to", "`to` is the path of a socket"),
        ("syslog: 'tcp://host:1/path'", "audit.syslog.to", "`to` is the path of a socket"),
        ("syslog: 'http://host:1'", "audit.syslog.to", "`to` is the path of a socket"),
        ("syslog: [/dev/log]", "audit.syslog", "`syslog` has no `to`"),
        ("syslog: {facility: auth}", "audit.syslog", "`syslog` has no `to`"),
        ("syslog: {to: /dev/log, facility: authprv}", "audit.syslog.facility", "`facility` is not one of syslog's"),
        ("syslog: {to: /dev/log, format: rfc3164}", "audit.syslog.format", "`format` is rfc5424 or local"),
        ("syslog: {to: /dev/log, headers: {}}", "audit.syslog.headers", "there is no key `headers`"),
        ("otlp: collector", "audit.otlp.endpoint", "`endpoint` is not an address"),
        ("otlp: 'http://collector:4318'", "audit.otlp.endpoint", "`endpoint` would send the trail unencrypted to"),
        ("otlp: 'https://user:hush@collector'", "audit.otlp.endpoint", "`endpoint` is not an address"),
        ("otlp: {endpoints: 'https://c'}", "audit.otlp.endpoints", "there is no key `endpoints`"),
        ("otlp: {endpoint: 'https://c', headers: hush}", "audit.otlp.headers", "`headers` is a mapping"),
        ("otlp: {endpoint: 'https://c', headers: {'a: hush': x}}", "audit.otlp.headers", "a name under `headers`"),
        ("otlp: {endpoint: 'https://c', headers: {Host: hush}}", "audit.otlp.headers", "`Host` is a header that can't"),
        ('otlp: {endpoint: "https://c", headers: {a: "hush\\nx"}}', "audit.otlp.headers", "the value of `a` is no"),
        ("otlp: {endpoint: 'https://c', ca_file: ca.pem}", "audit.otlp.ca_file", "`ca_file` is the path of a file"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, text: str, path: str, message: str) -> None:
    """A mistake is reported with its path and line, but header values are not shown."""
    problem_list = problems(tmp_path, f"audit:\n  {text}\n")
    assert (problem_list[0].path, problem_list[0].where.line) == (path, 2)
    assert problem_list[0].message.startswith(message)
    assert "hush" not in str(problem_list)


def test_headers_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Headers are accepted only in a file that no other user can read; without headers any mode is accepted."""
    text = "audit: {otlp: {endpoint: 'https://c', headers: {Authorization: hush}}}\n"
    [problem] = problems(tmp_path, text, mode=0o644)
    assert problem.message == "`headers` may be secret, and others may read this file"
    assert problem.hint == f"run `chmod 600 {tmp_path}/.config/dsops/config.yaml`"
    assert sinks(tmp_path, text)
    assert sinks(tmp_path, "audit: {otlp: 'https://c'}\n", mode=0o644)
