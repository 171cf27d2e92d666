"""Servers of files for tests: a web server that lists its folders, and an SFTP server."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asyncssh


class Web:
    """Files of a folder behind HTTP. ``requests`` are method, path and status of each."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.fail: list[int] = []
        web = self

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                if web.fail:
                    self.send_error(web.fail.pop(0))
                else:
                    super().do_GET()

            def log_request(self, code: object = "-", size: object = "-") -> None:
                web.requests.append((self.command, self.path, int(code)))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Sftp:
    """Files of a folder behind SFTP, for the user ``feeds`` with a password or a key."""

    PASSWORD = "s3cr3t-feeds"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = host_key.export_public_key().decode().strip()
        self._host_key, self._ready = host_key, threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self._ready.wait(30)
        self.url = f"sftp://feeds@127.0.0.1:{self.port}/out"

    def _serve(self) -> None:
        server = self

        class Server(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("feeds", server.PASSWORD)

        async def start() -> None:
            keys = asyncssh.import_authorized_keys(self.user_key.export_public_key().decode())
            self._acceptor = await asyncssh.listen(
                "127.0.0.1", 0, server_factory=Server, server_host_keys=[self._host_key], authorized_client_keys=keys,
                sftp_factory=partial(asyncssh.SFTPServer, chroot=str(self.folder)),
            )  # fmt: skip
            self.port = self._acceptor.get_port()
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    def close(self) -> None:
        async def stop() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
