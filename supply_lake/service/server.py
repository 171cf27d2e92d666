"""The processes that serve the app.

What belongs here: how uvicorn is run. What does not: the app.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import uvicorn
from uvicorn.supervisors import Multiprocess

from supply_lake.errors import UsageError
from supply_lake.service.opened import Opened

_GRACE_SECONDS = 10
_IDLE_SECONDS = 75
_MOST_AT_ONCE = 512


def run(host: str, port: int, workers: int, on_listening: Callable[[str], None]) -> None:
    """Serve until told to stop.

    :param port: 0 takes a free one
    :param on_listening: called with the URL once connections are taken
    :raises SupplyLakeError: the lake cannot be opened; said once, before any worker starts
    """
    Opened.open().close()
    config = uvicorn.Config(
        "supply_lake.service.app:from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        log_level="warning",
        access_log=False,  # the audit log has every request
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        limit_concurrency=_MOST_AT_ONCE,
    )
    try:
        socket = config.bind_socket()
    except SystemExit as error:  # it has logged why
        raise UsageError(f"nothing can listen at {host}:{port}; is it taken? Choose another with --port") from error
    socket.listen(_MOST_AT_ONCE)  # from here on who connects is answered, if only when the workers are ready
    on_listening(f"http://{f'[{host}]' if ':' in host else host}:{socket.getsockname()[1]}")
    sys.stdout.flush()
    if workers > 1:
        Multiprocess(config, sockets=[socket]).run()
    else:
        uvicorn.Server(config).run(sockets=[socket])
