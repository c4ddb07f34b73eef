"""Check at startup that moto stores and returns all data on which the sandbox relies."""

from __future__ import annotations

from dsops.errors import SandboxUnavailable
from dsops.extras import install_command
from dsops.request.stored_policies import NOTHING_ALLOWED, StoredPolicy
from dsops.sandbox.state.iam_backend import reset
from dsops.sandbox.state.iam_builder import IamBuilder
from dsops.sandbox.state.world import (
    OF_GROUP,
    LongTermKey,
    MfaDevice,
    OidcProvider,
    PrincipalGrants,
    SamlProvider,
    User,
    World,
    user_arn,
)

_ACCOUNT = "000000000000"
_SEED = "GEZDGNBVGY3TQOJQ"
_POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}'
_TAGS = (("k", "v"),)


def probe(world: World) -> None:
    """Store one resource of each kind and read it back. Raises SandboxUnavailable if any value differs."""
    try:
        problem = _probe_account(world)
    except Exception as error:  # noqa: BLE001 - a changed moto can raise any exception
        problem = f"{type(error).__name__}: {error}"
    finally:
        world.partitions.pop(_ACCOUNT, None)
        reset()
    if problem:
        raise SandboxUnavailable(
            "the sandbox does not work with the installed version of moto",
            why=problem,
            hint=f"install the version that dsops requires: {install_command('sandbox')}",
        )


def _probe_account(world: World) -> str:
    world.add_account(_ACCOUNT)
    planter = IamBuilder(world)
    user, serial, boundary = _make_user(planter)
    role = planter.add_role(_ACCOUNT, "probe", NOTHING_ALLOWED, "/p/", _TAGS, 7200, "AROAPROBE")
    planter.put_policy(_ACCOUNT, "role", "probe", StoredPolicy("of-role", _POLICY))
    planter.set_role_boundary(role, boundary.name)
    provider = planter.add_oidc_provider(_ACCOUNT, "https://id.example.com/p", ["client"])
    saml = planter.add_saml_provider(_ACCOUNT, "probe", "<metadata/>")
    of_user = (StoredPolicy("of-user", _POLICY), boundary, StoredPolicy(f"of-group{OF_GROUP}probes", _POLICY))
    of_role = (StoredPolicy("of-role", _POLICY),)
    arn = user_arn(_ACCOUNT, "aws", "probe", "/p/")
    claims = {
        "user": user == User(_ACCOUNT, "probe", "AIDAPROBE", arn, _TAGS),
        "key": world.long_term_key("AKIAPROBE") == LongTermKey(user, "secret", is_active=True),
        "policies of a user": world.grants_of_user(user) == PrincipalGrants(of_user, boundary),
        "MFA device": list(world.mfa_devices_of(user)) == [MfaDevice(serial, _SEED)],
        "role": world.role_at(f"arn:aws:iam::{_ACCOUNT}:role/p/probe") == role,
        "session duration": role.max_session_duration == 7200,
        "trust policy": role.trust == NOTHING_ALLOWED,
        "tags of a role": role.tags == _TAGS,
        "policies of a role": world.grants_of_role(role) == PrincipalGrants(of_role, boundary),
        "OpenID Connect provider": world.oidc_provider(_ACCOUNT, "https://id.example.com/p")
        == OidcProvider(provider, "id.example.com/p", ("client",)),
        "SAML provider": world.saml_provider(saml) == SamlProvider(saml, _ACCOUNT, "probe", "<metadata/>"),
        "boundary that is gone": world.boundary(_ACCOUNT, "arn:aws:iam::000000000000:policy/gone") is not None,
    }
    wrong = [name for name, is_so in claims.items() if not is_so]
    return f"it does not return what was stored: {', '.join(wrong)}" if wrong else ""


def _make_user(planter: IamBuilder) -> tuple[User, str, StoredPolicy]:
    """Create a user with a key, group, policies, boundary and MFA device; return user, MFA serial, boundary."""
    boundary = StoredPolicy(planter.add_policy(_ACCOUNT, "/", "boundary", NOTHING_ALLOWED), NOTHING_ALLOWED)
    user = planter.add_user(_ACCOUNT, "probe", "/p/", _TAGS, "AIDAPROBE")
    planter.add_key(user, "AKIAPROBE", "secret")
    planter.add_group(_ACCOUNT, "probes")
    planter.join_group(user, "probes")
    planter.put_policy(_ACCOUNT, "group", "probes", StoredPolicy("of-group", _POLICY))
    planter.put_policy(_ACCOUNT, "user", "probe", StoredPolicy("of-user", _POLICY))
    planter.put_policy(_ACCOUNT, "user", "probe", StoredPolicy(boundary.name, ""))
    planter.set_user_boundary(user, boundary.name)
    return user, planter.add_mfa_device(user, "/", "probe", _SEED), boundary
