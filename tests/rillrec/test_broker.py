"""A broker of one's own, started from Kafka's jars."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from rillrec.broker import Broker
from rillrec.broker_format import telling
from rillrec.broker_runtime import runtime_for
from rillrec.broker_tls import Certificate
from rillrec.kafka_jars import cache, jars, java, kafka_version
from schemas.errors import ProcessFailed
from tests.kafka import Kafka, need_broker

pytestmark = [pytest.mark.kafka]


@pytest.mark.slow
def test_messages_survive_a_broker_that_is_killed(own_broker: Broker) -> None:
    topic = Kafka(own_broker.address).topic(partitions=2)
    Kafka(own_broker.address).produce(topic, [("a", b"1"), ("b", b"2")])
    address, pid = own_broker.address, own_broker.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    own_broker.kill()
    assert not own_broker.running
    own_broker.start()
    assert own_broker.address == address
    found = Kafka(own_broker.address).consume(topic)
    assert sorted(message.value() for message in found) == [b"1", b"2"]


def test_a_taken_port_is_told(kafka: Kafka, tmp_path: Path) -> None:
    port = int(kafka.brokers.rpartition(":")[2])
    with pytest.raises(ProcessFailed, match=rf"port {port} is taken.*: stop what listens"):
        Broker(tmp_path, port=port).start()


def test_settings_that_make_no_sense_are_told(tmp_path: Path, kafka: Kafka) -> None:
    with pytest.raises(ProcessFailed, match=r"can't be made a broker's: .*NONSENSE"):
        Broker(tmp_path, settings={"inter.broker.listener.name": "nonsense"}).start()


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, kafka: Kafka) -> None:
    (tmp_path / "log").write_text("in the way")
    with pytest.raises(ProcessFailed, match="can't be made a broker's"):
        Broker(tmp_path).start()


def test_a_machine_without_java_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"Java 17 or newer.*no Java.*default-jre-headless"):
        Broker(tmp_path).start()


def test_a_machine_without_maven_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"Maven, which is not installed.*kafka\.brokers"):
        jars()


def test_what_maven_says_is_told_where_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho no such registry\nexit 7\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"could not fetch Kafka \(code 7\): no such registry"):
        jars()
    assert not cache().exists()


@pytest.mark.slow
def test_a_broker_asks_for_credentials_and_speaks_tls(tmp_path: Path, kafka: Kafka) -> None:
    with Broker(tmp_path, users={"ann": "open sesame"}, tls=True) as broker:
        assert broker.certificate is not None
        sasl = {
            "bootstrap.servers": broker.sasl_address,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "ann",
        }
        tls = {
            "bootstrap.servers": broker.tls_address,
            "security.protocol": "SSL",
            "ssl.ca.location": str(broker.certificate.pem),
        }
        for properties in (sasl | {"sasl.password": "open sesame"}, tls):
            assert AdminClient(properties).list_topics(timeout=60).brokers
        wrong = AdminClient({**sasl, "sasl.password": "guess", "log_level": 0})
        with pytest.raises(KafkaException):
            wrong.list_topics(timeout=2)


@pytest.mark.slow
def test_a_directory_has_one_broker_and_a_port_stays_the_same(
    own_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rillrec.broker.TAKEOVER_S", 0.1)
    with pytest.raises(ProcessFailed, match=r"a broker runs in .* already: stop it, or choose"):
        Broker(own_broker.directory).start()
    address = own_broker.address
    own_broker.restart()
    assert own_broker.address == address
    assert own_broker.running


@pytest.mark.slow
def test_a_broker_dies_with_a_killed_parent_and_its_directory_is_free(
    tmp_path: Path, kafka: Kafka
) -> None:
    code = (
        "import sys, time; from pathlib import Path; from rillrec.broker import Broker\n"
        "print(Broker(Path(sys.argv[1])).start().pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    with Broker(tmp_path) as broker:
        assert broker.pid != pid


@pytest.mark.slow
def test_two_that_fetch_the_jars_at_once_do_not_harm_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    told: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        places = list(pool.map(lambda _: jars(told.append), range(2)))
    assert places == [cache(), cache()]
    assert len(told) == 2
    assert [path.name for path in cache().parent.iterdir()] == [cache().name]
    assert list(cache().glob("kafka_2.13-*.jar"))


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rillrec").write_text("in the way")
    (tmp_path / "mvn").write_text("#!/bin/sh\n")
    (tmp_path / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ProcessFailed, match=r"can't hold Kafka's jars .*set XDG_CACHE_HOME"):
        jars()


def test_jars_of_ones_own_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=f"{tmp_path} holds no jars of Kafka: name the"):
        Broker(tmp_path / "broker", jars=tmp_path).start()


def test_an_old_java_is_told() -> None:
    trace = b"Error:\nException in main java.lang.UnsupportedClassVersionError: kafka\n\tat x"
    assert telling(trace) == "this Java is too old: install Java 17 or newer"
    assert telling(b"") == "it said nothing"


DOCKER = """#!/bin/sh
# Does what docker does for us, without a container: runs Java, with the jars of the cache.
[ "$1" = info ] && exit 0
[ "$1" = kill ] && echo "$2" > "$(dirname "$0")/killed" && exit 0
while [ "$1" != "--entrypoint" ]; do shift; done
shift 5
exec {java} -cp "{jars}/*" "$@"
"""


@pytest.mark.slow
def test_without_maven_a_container_runs_the_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: Kafka
) -> None:
    (docker := tmp_path / "docker").write_text(DOCKER.format(java=java(), jars=jars()))
    docker.chmod(0o755)
    for name in ("sh", "dirname"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    runtime = runtime_for(tmp_path / "broker")
    assert runtime.java("Main")[:3] == [str(docker), "run", "--rm"]
    assert f"apache/kafka:{kafka_version()}" in runtime.command
    broker = Broker(tmp_path / "broker").start()
    assert Kafka(broker.address).topic()
    broker.kill()
    assert (tmp_path / "killed").read_text().startswith("rillrec-kafka-")


def test_tests_skip_loudly_without_a_broker_and_fail_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"NOT TESTED AGAINST KAFKA: .*Java 17"):
        need_broker(tmp_path, environ={})
    with pytest.raises(pytest.fail.Exception, match="NOT TESTED AGAINST KAFKA"):
        need_broker(tmp_path, environ={"CI": "true"})


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ProcessFailed, match=r"can't hold a broker \(Not a directory\): choose"):
        Broker(tmp_path / "file" / "broker").start()


def test_a_broker_that_ends_early_or_is_slow_is_told_with_its_log(
    tmp_path: Path, kafka: Kafka
) -> None:
    with pytest.raises(ProcessFailed, match=r"did not answer within 0\.1 s"):
        Broker(tmp_path, wait_s=0.1).start()
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=x\n")
    with pytest.raises(ProcessFailed, match=r"the broker ended with code 1: .*; see .*broker\.log"):
        Broker(tmp_path).start()


def test_tls_takes_a_keytool_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessFailed, match="TLS takes keytool, which comes with Java"):
        Certificate(tmp_path).keystore()
    script(tmp_path / "keytool", "echo no entropy; exit 1")
    with pytest.raises(ProcessFailed, match="keytool fails: no entropy"):
        Certificate(tmp_path).keystore()


def test_a_maven_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(tmp_path / "mvn", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("rillrec.kafka_jars._FETCH_TIMEOUT_S", 0.2)
    with pytest.raises(ProcessFailed, match=r"did not fetch Kafka within 0\.2 s"):
        jars()


def test_a_docker_that_does_not_answer_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}")
    monkeypatch.setattr("rillrec.broker_runtime.DOCKER_ANSWERS_S", 0.2)
    for behaviour in ("exit 1", "while :; do :; done"):
        script(tmp_path / "docker", behaviour)
        with pytest.raises(ProcessFailed, match=r"there is no Java: .* start Docker, or name"):
            runtime_for(tmp_path)


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin" / "java", "exit 1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java() == str(tmp_path / "bin" / "java")


def script(path: Path, text: str) -> None:
    """Make a program that stands for another."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
