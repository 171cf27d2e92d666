"""JWTs of an identity provider: only those that its keys signed, for us, and that have not ended."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from supply_lake.errors import SettingsError
from supply_lake.settings import Settings
from supply_lake_tests.service.conftest import Service

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
ISSUER = "https://sso.example"


@pytest.fixture(scope="module")
def jwks() -> Iterator[str]:
    """URL of the provider's keys."""
    key = {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())), "kid": "k1", "use": "sig", "alg": "ES256"}

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"keys": [key]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keys)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/keys"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def service(jwks: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    from supply_lake_tests.ingest.house import House

    house = House(tmp_path_factory.mktemp("oidc"))
    fill_orders(house)
    env = {"SUPPLY_LAKE_OIDC_ISSUER": ISSUER, "SUPPLY_LAKE_OIDC_AUDIENCE": "lake", "SUPPLY_LAKE_OIDC_JWKS": jwks}
    opened = Service(house, env)
    yield opened
    opened.close()


def fill_orders(house: Any) -> None:
    house.land("a.csv", "order_id,quantity,version\no1,1,1\n")
    house.ingest()


def signed(key: Any = KEY, kid: str = "k1", algorithm: str = "ES256", **changes: Any) -> str:
    now = dt.datetime.now(dt.UTC)
    claims = {
        "iss": ISSUER, "aud": "lake", "sub": "ann", "email": "ann@example.com", "exp": now + dt.timedelta(minutes=5),
        "scope": "openid orders:read",
    } | changes  # fmt: skip
    return jwt.encode({name: one for name, one in claims.items() if one is not None}, key, algorithm, headers={"kid": kid})


def test_a_jwt_opens_what_its_scope_grants(service: Service) -> None:
    token = signed()
    assert service.json("/v1/me", token=token) == {"id": "oidc:ann", "name": "ann@example.com", "grants": ["orders:read"]}
    assert service.get("/v1/datasets/orders/latest", token=token).status_code == 200
    assert service.get("/v1/datasets/orders/rows", token=token).status_code == 403
    assert service.get("/v1/datasets/orders/rows", token=signed(scope=["*:query"])).status_code == 200
    assert service.json("/v1/me", token=signed(scope=None))["grants"] == []


def test_a_jwt_that_is_not_good_here_opens_nothing(service: Service) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)
    bad = [
        signed(key=OTHER),
        signed(kid="k2"),
        signed(iss="https://sso.elsewhere"),
        signed(aud="another"),
        signed(exp=past),
        signed(exp=None),
        signed(sub=None),
        signed(nbf=dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)),
        signed(key="a secret of thirty-two bytes or more", algorithm="HS256"),
        jwt.encode({"iss": ISSUER, "aud": "lake", "sub": "ann"}, None, "none", headers={"kid": "k1"}),
        signed()[:-4] + "AAAA",
        "a.b.c",
    ]
    for token in bad:
        response = service.get("/v1/me", token=token)
        assert (response.status_code, response.json()["type"]) == (401, "unauthenticated"), token


def test_a_jwt_opens_nothing_where_no_provider_is_named(filled: Service) -> None:
    assert filled.get("/v1/me", token=signed()).status_code == 401


def test_a_provider_is_named_whole_or_not_at_all() -> None:
    with pytest.raises(SettingsError, match="SUPPLY_LAKE_OIDC_AUDIENCE"):
        Settings.from_env({"SUPPLY_LAKE_OIDC_ISSUER": ISSUER, "SUPPLY_LAKE_OIDC_JWKS": "https://sso.example/keys"})
    with pytest.raises(SettingsError, match="no https"):
        Settings.from_env(
            {
                "SUPPLY_LAKE_OIDC_ISSUER": ISSUER,
                "SUPPLY_LAKE_OIDC_AUDIENCE": "a",
                "SUPPLY_LAKE_OIDC_JWKS": "http://sso.example/keys",
            }
        )
