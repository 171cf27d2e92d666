"""A tick can tell that its code server is ending."""

from __future__ import annotations

import threading

from supply_lake.resources.code_server import THREADS, CodeServer


def test_a_process_that_is_no_code_server_is_never_told_to_end() -> None:
    assert not CodeServer().is_ending()


def test_a_server_that_was_told_to_end_is_ending() -> None:
    told = threading.Event()
    thread = threading.Thread(target=told.wait, name="grpc-server-heartbeat")
    thread.start()
    server = CodeServer()
    assert not server.is_ending()
    told.set()
    thread.join()
    assert server.is_ending()


def test_the_threads_that_tell_are_dagsters_own() -> None:
    import inspect

    from dagster._grpc import server

    source = inspect.getsource(server)
    assert all(f'name="{name}"' in source for name in THREADS)
