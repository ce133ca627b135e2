"""Which process of which flow this is, by options and by the engine's own variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.cluster import ALONE, Cluster, cluster_of
from schemas.errors import SettingsError

TWO = ("a:2101", "b:2102")


@pytest.fixture
def hostfile(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_text("a:2101\n\n b:2102 \n")
    return path


def test_nothing_said_is_one_worker_alone() -> None:
    assert cluster_of({}) == ALONE
    assert not ALONE.is_split
    assert ALONE.leads


def test_addresses_and_a_hostfile_say_the_same(hostfile: Path) -> None:
    wanted = Cluster(workers=2, process=1, addresses=TWO)
    assert cluster_of({}, workers=2, process=1, addresses="a:2101;b:2102") == wanted
    assert cluster_of({}, workers=2, process=1, hostfile=hostfile) == wanted
    assert wanted.is_split
    assert not wanted.leads


def test_the_variables_of_the_engine_are_read(hostfile: Path) -> None:
    environ = {
        "BYTEWAX_WORKERS_PER_PROCESS": "2",
        "BYTEWAX_PROCESS_ID": "1",
        "BYTEWAX_ADDRESSES": "a:2101;b:2102",
    }
    assert cluster_of(environ) == Cluster(workers=2, process=1, addresses=TWO)
    pods = {
        "BYTEWAX_POD_NAME": "my-flow-1",
        "BYTEWAX_STATEFULSET_NAME": "my-flow",
        "BYTEWAX_HOSTFILE_PATH": str(hostfile),
    }
    assert cluster_of(pods) == Cluster(process=1, addresses=TWO)


def test_options_win_over_variables() -> None:
    environ = {"BYTEWAX_PROCESS_ID": "1", "BYTEWAX_ADDRESSES": "x:1;y:2;z:3"}
    assert cluster_of(environ, process=0, addresses="a:2101;b:2102") == Cluster(addresses=TWO)


def test_one_address_is_no_cluster() -> None:
    assert not cluster_of({}, addresses="a:2101").is_split


@pytest.mark.parametrize(
    ("environ", "options", "said"),
    [
        ({}, {"workers": 0}, "0 workers are too few"),
        ({}, {"process": 1}, "process 1 does not know where the others are: say --addresses"),
        ({}, {"addresses": "a:1;b:2"}, "which of the 2 addresses is this process's?"),
        ({}, {"addresses": "a:1;b:2", "process": 2}, "process 2 is none of the 2 addresses"),
        ({}, {"addresses": "a:1;b", "process": 0}, "address 'b' is not of the form HOST:PORT"),
        ({}, {"hostfile": Path("/nowhere"), "process": 0}, "hostfile /nowhere: No such file"),
        ({"BYTEWAX_PROCESS_ID": "one"}, {}, "BYTEWAX_PROCESS_ID is 'one', it must be a number"),
        (
            {"BYTEWAX_POD_NAME": "other-1", "BYTEWAX_STATEFULSET_NAME": "flow"},
            {"addresses": "a:1;b:2"},
            "BYTEWAX_POD_NAME is 'other-1', which is no pod of the stateful set 'flow'",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(
    environ: dict[str, str], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(SettingsError) as told:
        cluster_of(environ, **options)
    assert said in str(told.value)
