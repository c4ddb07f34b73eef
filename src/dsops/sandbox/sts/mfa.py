"""Check the MFA code of a call: each code is valid once, and only for a device of the calling user."""

from __future__ import annotations

from dsops.request.wire.errors import access_denied
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.state.world import World
from dsops.sandbox.sts import totp


def check_mfa(world: World, turn: AuthenticatedRequest) -> float | None:
    """Return the time at which the user authenticates with MFA (now), or None if the request has no MFA code.

    Raises AccessDenied for a wrong code.
    """
    serial, code = turn.text("SerialNumber"), turn.text("TokenCode")
    if not serial and not code:
        return None
    if not serial or not code:
        raise access_denied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )
    user = turn.caller.user
    devices = [] if user is None else world.mfa_devices_of(user)
    device = next((device for device in devices if device.serial == serial), None)
    if device is None:
        raise access_denied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  "
            "Please verify your MFA serial number is valid and associated with this user."
        )
    step = totp.step_of(device.seed, code, turn.now)
    if step is None or not world.use_step(serial, step):
        raise access_denied("MultiFactorAuthentication failed with invalid MFA one time pass code. ")
    return turn.now
