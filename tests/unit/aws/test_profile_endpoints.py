"""Endpoints in ~/.aws/config: settings of a profile in the SDKs' order of precedence, compared with botocore."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from dsops.aws.identity.profile_endpoints import profile_endpoints
from dsops.endpoint import resolve_endpoint
from dsops.errors import ConfigUnreadable
from dsops.plan import Step
from dsops.resolve.identity import ambient_of, endpoints_of, proof_of
from dsops.stores.endpoints import endpoint_of
from tests.fakes import make_runtime
from tests.groups import nightly_rest
from tests.plans import plan_of
from tests.unit.aws.profiles import World

CONFIG = """
[default]
endpoint_url = http://localhost:1000
[profile one]
services = local
endpoint_url = http://localhost:2000
[profile fips]
use_fips_endpoint = true
use_dualstack_endpoint = false
[profile off]
endpoint_url = http://localhost:3000
ignore_configured_endpoint_urls = true
[profile plain]
region = eu-west-1
[services local]
sts =
  endpoint_url = http://localhost:2001
secrets_manager =
    signature = x
    endpoint_url = http://localhost:2002/base
sso_oidc =
  endpoint_url = https://login.example
"""

ORACLE = """
import json, sys
from botocore.session import Session
session = Session()
session.set_credentials("AKIA", "s")
print(json.dumps({
    name: session.create_client(name, region_name="us-east-2").meta.endpoint_url
    for name in ("sts", "secretsmanager", "ssm", "sso-oidc")
}))
"""


def urls(world: World, **environ: str) -> dict[str, str]:
    """The URL of each service for this environment."""
    variables = {**world.environ, **environ}
    variables.update(endpoints_of(variables, "", str(world.folder)))
    return {
        name: resolve_endpoint(name, "us-east-2", variables).url
        for name in ("sts", "secretsmanager", "ssm", "sso-oidc")
    }


@pytest.mark.parametrize(
    "environ",
    nightly_rest(
        2,
        [
            {},
            {"AWS_PROFILE": "one"},
            {"AWS_PROFILE": "fips"},
            {"AWS_PROFILE": "fips", "AWS_USE_FIPS_ENDPOINT": "false"},
            {"AWS_PROFILE": "off"},
            {"AWS_PROFILE": "off", "AWS_ENDPOINT_URL": "http://localhost:9"},
            {"AWS_PROFILE": "plain"},
            {"AWS_PROFILE": "one", "AWS_ENDPOINT_URL": "http://localhost:9"},
            {"AWS_PROFILE": "one", "AWS_ENDPOINT_URL_STS": "http://localhost:9"},
            {"AWS_PROFILE": "one", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        ],
        str,
    ),
)
def test_every_service_is_where_botocore_has_it(world: World, environ: dict[str, str]) -> None:
    """With profiles, sections, switches and variables, every service has the URL that a real botocore uses."""
    world.config(CONFIG)
    variables = {**world.environ, **environ}
    done = subprocess.run(
        [sys.executable, "-c", ORACLE], env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    assert urls(world, **environ) == json.loads(done.stdout)


def test_a_named_profile_counts_instead_of_the_environments(world: World) -> None:
    """A store's `profile` replaces the environment's profile; the credentials file overrides the config file."""
    world.config(CONFIG)
    world.credentials("[one]\nendpoint_url = http://localhost:2500\n")
    endpoints = dict(profile_endpoints({**world.environ, "AWS_PROFILE": "fips"}, "one", str(world.folder)))
    assert endpoints == {
        "AWS_ENDPOINT_URL": "http://localhost:2500",
        "AWS_ENDPOINT_URL_STS": "http://localhost:2001",
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://localhost:2002/base",
        "AWS_ENDPOINT_URL_SSO_OIDC": "https://login.example",
    }


def test_a_malformed_file_without_endpoints_is_no_error(world: World) -> None:
    """A malformed config file without endpoint settings is no error for users who have keys in the environment."""
    world.config("this is no config\n")
    assert endpoints_of(world.environ, "", str(world.folder)) == ()
    world.config("this is no config, and has an endpoint\n")
    with pytest.raises(ConfigUnreadable):
        endpoints_of(world.environ, "", str(world.folder))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "[default]\nendpoint_url = localhost:4566\n",
            "`endpoint_url` of profile `default` is not an address",
            "write http://localhost:4566",
        ),
        (
            "[default]\nendpoint_url = http://10.0.0.1\n",
            "`endpoint_url` of profile `default` would send credentials unencrypted to 10.0.0.1",
            "write https://10.0.0.1",
        ),
        (
            "[default]\nservices = a\n[services a]\nsts =\n  endpoint_url = ftp://x\n",
            "`sts` of `[services a]` is not an address",
            "write https://",
        ),
    ],
)
def test_an_address_that_cant_be_used(world: World, text: str, message: str, hint: str) -> None:
    """An unusable endpoint URL is an error that names the setting and the file."""
    world.config(text)
    with pytest.raises(ConfigUnreadable) as caught:
        profile_endpoints(world.environ, "default", str(world.folder))
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert str(caught.value.where) == os.path.join(world.home, ".aws", "config")


def test_a_web_identity_store_uses_the_profiles_endpoints(world: World) -> None:
    """A web identity store uses the endpoints of the environment's profile, and its fingerprint includes them."""
    world.config(CONFIG)
    text = (
        'secretStores:\n  r: {type: aws.sts, region: us-east-2, role_arn: "arn:aws:iam::111111111111:role/R", '
        'role_session_name: job, web_identity_token: "a.e30.c"}\n'
    )

    def planned(**environ: str) -> Step:
        variables = {**world.environ, **environ}
        folder = str(world.folder)
        ambient, proof = ambient_of(variables, b"k" * 32, folder), proof_of(variables, b"k" * 32, folder)
        return plan_of(text, store="r", environ=variables, ambient=ambient, proof=proof).steps["r"]

    fips, plain, custom = (planned(AWS_PROFILE=name) for name in ("fips", "plain", "one"))
    assert endpoint_of(fips, "sts", make_runtime()).url == "https://sts-fips.us-east-2.amazonaws.com"
    assert endpoint_of(plain, "sts", make_runtime()).url == "https://sts.us-east-2.amazonaws.com"
    assert endpoint_of(custom, "sts", make_runtime()).url == "http://localhost:2001"
    assert fips.fingerprint == plain.fingerprint != custom.fingerprint
