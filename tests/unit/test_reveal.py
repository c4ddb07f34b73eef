"""Only the listed files read a secret's plain value, each for a stated reason."""

from __future__ import annotations

import re
from pathlib import Path

import dsops

SOURCE = Path(dsops.__file__).parent

ALLOWED = {
    "agent/credential_endpoint.py": "hands the session to who has the token",
    "node/secrets_api.py": "hands a secret to the workload that may read it",
    "node/token_files.py": "writes a workload's token into the file of the workload's user",
    "node/workloads.py": "compares a caller's token with the workload's",
    "cli/run/guard.py": "writes placeholder keys into the file for the clients of the guard",
    "aws/http/answer.py": "takes secrets out of what AWS says",
    "aws/apis/parameter_versions.py": "the new value goes into the request",
    "aws/apis/secret_versions.py": "the new value goes into the request",
    "aws/apis/signin.py": "the session goes into the request for a sign-in link",
    "aws/apis/sso.py": "the login's token goes into the request",
    "aws/identity/sso_cache.py": "the login's token in the file that the AWS CLI shares",
    "audit/cloudtrail/trino.py": "the user's password or token goes to Trino's client",
    "audit/cloudtrail/trino_network.py": "the login of the proxy goes into its URL",
    "audit/otlp.py": "headers of the collector's go into the request",
    "aws/apis/sso_oidc.py": "codes, tokens and the client's secret go into the request",
    "aws/apis/sts.py": "external IDs, MFA codes and tokens go into the request",
    "aws/http/transport.py": "libcurl signs",
    "aws/http/transport_urllib3.py": "botocore signs",
    "aws/http/wire.py": "the signing key's repr is hidden there",
    "agent/remote.py": "what a person typed goes to the agent",
    "agent/messages.py": "values and sessions cross the agent's socket",
    "cli/framework/prompt.py": "text that the user typed visibly, which is no secret",
    "cli/login/console.py": "prints the link that it was asked for",
    "cli/run/credentials.py": "prints what it was asked for",
    "cli/run/exec_mask.py": "values to look for in the output",
    "cli/run/github.py": "lines that have GitHub's runner mask them",
    "guard/http/upstream.py": "the login of the proxy goes into the request",
    "keys/formats.py": "reads a key as people have it",
    "cli/login/keys.py": "the key id that the user types",
    "cli/login/mfa.py": "reads a seed, and prints the code that it was asked for",
    "cli/run/get.py": "prints what it was asked for",
    "cli/secrets/diff.py": "prints what it was asked for",
    "cli/secrets/editor.py": "the file in memory that the editor opens",
    "cli/secrets/history.py": "prints what it was asked for",
    "cli/secrets/set.py": "removes a newline, and tells whether there is a value",
    "guard/placeholder.py": "compares the token in a request",
    "guard/received.py": "checks signatures of the placeholder's key",
    "guard/signing.py": "signs with the real session",
    "environment.py": "the child's environment",
    "explain/questions/request.py": "external IDs are put to trust policies",
    "keyring/desktop.py": "a secret goes to the desktop's keyring, over a pipe",
    "keyring/kernel.py": "a secret goes to the kernel, in a system call",
    "keyring/keys.py": "the keys of one name, as the keyring's one entry",
    "keyring/one_password.py": "a secret goes into an item's template, for a pipe",
    "keyring/programs.py": "a secret goes to a program, over a pipe, and is removed from its errors",
    "keyring/sealed_file.py": "a secret is encrypted, with a key from a passphrase",
    "keyring/seeds.py": "codes of a seed",
    "library.py": "keys of a session, for boto3",
    "plan/fingerprint.py": "digests",
    "plan/mfa.py": "tells codes apart",
    "render/__init__.py": "files that were asked for",
    "render/profile.py": "a profile that was asked for",
    "render/shell.py": "files that were asked for",
    "resolve/identity.py": "digests",
    "secret_editing/difference.py": "tells which fields differ",
    "secret_editing/editor_text.py": "the text for an editor",
    "secret_editing/field.py": "sets a field of a JSON object",
    "seed/world.py": "external IDs of an invented account",
    "stores/loopback.py": "redirects the browser to the sign-in link of the console",
    "stores/aws_keys.py": "tells whose key it is",
    "stores/mfa.py": "tells codes apart",
    "stores/saml.py": "tells whose assertion it is, and which role was picked",
    "stores/saml_response.py": "tells apart assertions that only AWS can read",
    "stores/session_parts.py": "the session as a secret",
    "stores/web_identity.py": "tells whose token it is, and what is none",
    "stores/writing/parameter_store.py": "checks length and encoding before the write",
    "stores/writing/secretsmanager.py": "checks the length before the write",
    "testing/boto.py": "keys of a test's own AWS, for boto3",
    "testing/contracts.py": "what a test store gave is what was wanted",
    "testing/local_aws.py": "keys of a test's own AWS, for its environment",
    "transform/apply.py": "steps between a secret and its variable",
    "transform/extract.py": "fields of a secret",
}


def test_a_value_is_seen_where_that_is_needed_and_nowhere_else() -> None:
    """`reveal()` is called in exactly the listed files."""
    revealing = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if re.search(r"\.reveal(_bytes)?\(", path.read_text(encoding="utf-8"))
    }
    assert revealing == ALLOWED.keys()
