"""IAM's checks of SAML providers that moto lacks: metadata, name, and encryption of assertions.

IAM API Reference, CreateSAMLProvider and UpdateSAMLProvider; IAM User Guide, "Troubleshoot SAML federation".
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.request.wire.errors import refusal
from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.state.world import World

Parameters = Mapping[str, object]


def check_new_saml_provider(world: World, parameters: Parameters, account: str) -> None:
    """Raise SandboxRefusal for a CreateSAMLProvider that IAM would refuse."""
    arn = f"arn:{world.partitions[account]}:iam::{account}:saml-provider/{parameters['Name']}"
    if world.saml_provider(arn) is not None:
        # moto would replace the existing provider.
        raise refusal("EntityAlreadyExists", f"SAMLProvider with name {parameters['Name']} already exists.", 409)
    check_saml_provider(parameters)


def check_saml_provider(parameters: Parameters) -> None:
    """Raise SandboxRefusal for unreadable metadata, or for encrypted assertions, which the sandbox does not support."""
    if parameters.get("AssertionEncryptionMode") == "Required" or "AddPrivateKey" in parameters:
        # With encryption on, AWS refuses unencrypted assertions, so ignoring it would allow more than AWS does.
        raise refusal("NotImplemented", "The dsops sandbox does not decrypt assertions.", 501)
    if "SAMLMetadataDocument" in parameters:
        try:
            read_metadata(str(parameters["SAMLMetadataDocument"]))
        except ValueError as error:
            raise refusal("InvalidInput", "Could not parse metadata") from error
