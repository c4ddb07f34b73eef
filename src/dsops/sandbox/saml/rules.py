"""What IAM checks of a SAML provider that moto's IAM does not: metadata, name, encryption of assertions.

IAM API Reference, CreateSAMLProvider and UpdateSAMLProvider; IAM User Guide, "Troubleshoot SAML federation".
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.state.world import World
from dsops.sandbox.wire.errors import refusal

Parameters = Mapping[str, object]


def check_new_saml_provider(world: World, parameters: Parameters, account: str) -> None:
    """Raises SandboxRefusal for a CreateSAMLProvider that IAM would not carry out."""
    arn = f"arn:{world.partitions[account]}:iam::{account}:saml-provider/{parameters['Name']}"
    if world.saml_provider(arn) is not None:
        # moto would put the new one in its place.
        raise refusal("EntityAlreadyExists", f"SAMLProvider with name {parameters['Name']} already exists.", 409)
    check_saml_provider(parameters)


def check_saml_provider(parameters: Parameters) -> None:
    """Raises SandboxRefusal for metadata that can't be read, and for encryption, which is not done here."""
    if parameters.get("AssertionEncryptionMode") == "Required" or "AddPrivateKey" in parameters:
        # To take it and let unencrypted assertions in would be more than AWS allows.
        raise refusal("NotImplemented", "The dsops sandbox does not decrypt assertions.", 501)
    if "SAMLMetadataDocument" in parameters:
        try:
            read_metadata(str(parameters["SAMLMetadataDocument"]))
        except ValueError as error:
            raise refusal("InvalidInput", "Could not parse metadata") from error
