"""The settings of NATS: what is absent has its default, what contradicts is refused by name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_nats_jetstream.errors import ConfigurationError
from target_nats_jetstream.publisher.settings import NatsSettings

if TYPE_CHECKING:
    from pathlib import Path

PROPERTIES = NatsSettings.properties()
SEED = "SU" + "A" * 56
CREDS = "-BEGIN NATS USER JWT-\nx\n-BEGIN USER NKEY SEED-\ny\n"


def test_nothing_set_is_every_default() -> None:
    settings = NatsSettings.from_config({}, ["txlog.>"])
    assert settings.servers == ("nats://localhost:4222",)
    assert settings.stream_subjects == ("txlog.>",)
    for name in ("stream", "create_stream", "batch_size", "dedupe_tail", "on_error", "max_outage"):
        assert getattr(settings, name) == PROPERTIES[name]["default"]


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_setting_explains_itself(name: str) -> None:
    entry = PROPERTIES[name]
    assert entry["title"]
    assert len(entry["description"]) > 10 or name == "user"
    assert entry["description"].endswith(".") or "old" in entry
    secret = name in {"password", "creds", "servers"}
    assert entry.get("secret", False) == secret


def test_numbers_and_flags_may_come_as_text_from_the_environment() -> None:
    texts = {"batch_size": "250", "backoff": "1.5", "tls_first": "true", "dedupe_tail": "0"}
    settings = NatsSettings.from_config(texts)
    assert (settings.batch_size, settings.backoff) == (250, (1.5,))
    assert (settings.tls_first, settings.dedupe_tail) == (True, 0)


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("nats://a:1, tls://b", ("nats://a:1", "tls://b:4222")),
        ('["nats://a:1", "tls://b"]', ("nats://a:1", "tls://b:4222")),
        (["a", "nats://[::1]:5"], ("nats://a:4222", "nats://[::1]:5")),
        ("nats://u:p@a,nats://u:p@b", ("nats://a:4222", "nats://b:4222")),
    ],
)
def test_servers_are_a_list_or_text(servers: str | list[str], expected: tuple[str, ...]) -> None:
    assert NatsSettings.from_config({"servers": servers}).servers == expected


def test_a_login_in_a_url_is_taken_out_of_it() -> None:
    settings = NatsSettings.from_config({"servers": "nats://etl:p%40ss@a"})
    assert (settings.user, settings.password) == ("etl", "p@ss")
    settings = NatsSettings.from_config({"servers": "nats://t0k3n@a"})
    assert (settings.user, settings.password) == (None, "t0k3n")


@given(st.text(st.sampled_from("@/:?#%&=[]\\,. s12密"), min_size=1))
def test_of_no_password_in_a_url_a_part_counts_as_a_server(password: str) -> None:
    with contextlib.suppress(ConfigurationError):
        settings = NatsSettings.from_config({"servers": f"nats://u:{password}@host"})
        assert settings.servers == ("nats://host:4222",)


def test_an_at_in_a_password_of_a_url_is_understood() -> None:
    settings = NatsSettings.from_config({"servers": "nats://u:hush@hush@a,tls://u:hush@hush@b"})
    assert settings.servers == ("nats://a:4222", "tls://b:4222")
    assert settings.password == "hush@hush"


@pytest.mark.parametrize(
    "password", ["12/3", "12?3", "12#3", "1,2", "[1", "1]", "1\uff1a2", "1\t2"]
)
@pytest.mark.parametrize("url", ["nats://u:{}@host", "nats://u:{}@host:4222", "u:{}@host"])
def test_a_password_that_has_to_be_escaped_is_told_how(url: str, password: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NatsSettings.from_config({"servers": url.format(password)})
    assert "Write / as %2F there" in str(caught.value)
    assert password not in str(caught.value)


@pytest.mark.parametrize("second", ["u:other@b", "v:hush@b", "t0k3n@b"])
def test_no_server_gets_the_login_of_another_one(second: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NatsSettings.from_config({"servers": f"nats://u:hush@a,nats://{second}"})
    assert "setting `servers` has logins that differ" in str(caught.value)


@pytest.mark.parametrize(
    "secret",
    [
        {"user": "u", "password": "hush-hush"},
        {"password": "hush-hush"},
        {"creds": f"{CREDS}hush-hush"},
        {"servers": "nats://u:hush-hush@a"},
    ],
)
def test_no_secret_is_in_the_repr(secret: dict[str, str]) -> None:
    assert "hush-hush" not in repr(NatsSettings.from_config(secret))


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    config = {"user": "u", "password_file": str(tmp_path / "secret")}
    assert NatsSettings.from_config(config).password == "hush"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "$JS.API"),
        ({"domain": "hub"}, "$JS.hub.API"),
        ({"domain": "imported.api."}, "imported.api"),
        ({"domain": "JSAPI."}, "JSAPI"),
    ],
)
def test_domain_and_prefix_name_the_api(given: dict[str, str], expected: str) -> None:
    assert NatsSettings.from_config(given).api_prefix == expected


@pytest.mark.parametrize(
    ("written", "nanoseconds"),
    [
        (120, 120_000_000_000),
        ("2m", 120_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("100ms", 10**8),
    ],
)
def test_durations_of_a_stream_are_written_as_people_write_them(
    written: object, nanoseconds: int
) -> None:
    config = NatsSettings.from_config({"stream_config": {"max_age": written}}).stream_config
    assert config == {"max_age": nanoseconds}


def test_the_configuration_of_a_stream_may_be_json_text() -> None:
    settings = NatsSettings.from_config({"stream_config": '{"replicas": 3, "max_bytes": 7}'})
    assert settings.stream_config == {"num_replicas": 3, "max_bytes": 7}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"user": "u"}, "password"),
        ({"user": "u", "password": "hush-hush", "creds": SEED}, "creds"),
        ({"password": "hush-hush", "creds": CREDS}, "creds"),
        ({"servers": "nats://etl@a", "password": "hush-hush"}, "password"),
        ({"password": "hush-hush", "password_file": "/x"}, "password_file"),
        ({"password_file": "/no/such/file"}, "password_file"),
        ({"creds": "hush-hush"}, "creds"),
        ({"creds": pytest.__file__}, "creds"),
        ({"creds": "hush-hush\0"}, "creds"),
        ({"tls_ca": "/no/such/file"}, "tls_ca"),
        ({"tls_cert": __file__}, "tls_key"),
        ({"tls_key": __file__}, "tls_cert"),
        ({"servers": "http://a"}, "servers"),
        ({"servers": "nats://u:hush-hush@"}, "servers"),
        ({"servers": "nats://a:port"}, "servers"),
        ({"servers": "nats://a..b:4222"}, "servers"),
        ({"servers": "nats://u:12/hush-hush@a"}, "servers"),
        ({"servers": "nats://u:12?hush-hush@a"}, "servers"),
        ({"servers": "nats://u:12#hush-hush@a"}, "servers"),
        ({"servers": "nats://u:12,hush-hush@a"}, "servers"),
        ({"servers": ["nats://u:12", "hush-hush@a"]}, "servers"),
        ({"stream": "a.b"}, "stream"),
        ({"stream": "a b"}, "stream"),
        ({"create_stream": "maybe"}, "create_stream"),
        ({"publish_mode": "careless"}, "publish_mode"),
        ({"on_error": "ignore"}, "on_error"),
        ({"stream_config": "hush-hush"}, "stream_config"),
        ({"stream_config": {"max_age": "soon"}}, "max_age"),
        ({"stream_config": {"name": "hush-hush"}}, "stream_config.name"),
        ({"stream_config": {"name": 5}}, "stream_config.name"),
        ({"stream_config": {"subjects": "hush-hush"}}, "stream_config.subjects"),
        ({"stream_config": {"subjects": ["hush-hush", 5]}}, "stream_config.subjects"),
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": "1.5"}, "batch_size"),
        ({"ack_timeout": "hush-hush"}, "ack_timeout"),
        ({"max_outage": -1}, "max_outage"),
        ({"max_outage": "inf"}, "max_outage"),
        ({"backoff": "1,hush-hush"}, "backoff"),
        ({"tls_first": "perhaps"}, "tls_first"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_without_the_value(
    config: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NatsSettings.from_config(config)
    assert f"{named}`" in str(caught.value)
    assert "hush-hush" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"stream": "hush-hush\udcff"},  # as Python reads a byte that is not UTF-8
        {"domain": "hush-hush\udcff"},
        {"inbox_prefix": "hush-hush\udcff"},
        {"backoff": "1,hush-hush\udcff"},
        {"servers": ["nats://a", "nats://u:hush-hush\ud800@b"]},
        {"stream_config": '{"metadata": {"hush-hush": "\\ud800"}}'},
    ],
)
def test_text_that_cannot_be_encoded_is_refused_by_name(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        NatsSettings.from_config(config)
    assert f"setting `{next(iter(config))}` is not valid text" in str(caught.value)
    assert "hush-hush" not in str(caught.value)
