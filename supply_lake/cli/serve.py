"""``supply-lake serve``: the metadata service.

What belongs here: the options of the server. What does not: the app (``service.app``).
"""

from __future__ import annotations

import click

from supply_lake.cli.output import as_json, print_json
from supply_lake.errors import SettingsError


@click.command(short_help="Serve the lake over HTTP: REST, and pages for people.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", default=8787, show_default=True, type=click.IntRange(0, 65535), help="Port to listen at; 0 takes a free one."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Processes that answer.")
@as_json
def serve(host: str, port: int, workers: int, as_json: bool) -> None:
    """Serve the lake's metadata, rows and landing over HTTP.

    Whoever asks needs a token; `supply-lake token make` makes one. In front of the service belongs a proxy that speaks TLS.

    \b
    Example:
      supply-lake serve --workers 2
    """
    try:
        from supply_lake.service.server import run
    except ModuleNotFoundError as error:
        raise SettingsError(f"the service needs {error.name}; run pip install 'supply-lake[service]'") from error
    run(host, port, workers, lambda url: print_json({"url": url}) if as_json else click.echo(f"Serving the lake at {url}"))
