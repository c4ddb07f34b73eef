"""`make demo`: runs a command with secrets of a local AWS, read through two assumed roles.

Starts the sandbox, runs `dsops exec` against it as a user would, and tells what the sandbox saw of that.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

from dsops.sandbox.control.client import client_environment
from dsops.sandbox.control.launch import identity_variables, open_server, read_seed_file

FOLDER = os.path.relpath(os.path.dirname(os.path.abspath(__file__)))
COMMAND = (
    'echo "connecting to $DATABASE_HOST as $DATABASE_USER, with a password of ${#DATABASE_PASSWORD} characters '
    'and an API key of ${#API_KEY}"'
)


def main() -> int:
    """Run the demo and return the command's exit code."""
    seed = os.path.join(FOLDER, "seed.yaml")
    config = os.path.join(FOLDER, "dsops.yaml")
    with open_server(read_seed_file(seed)) as server:
        print(f"a local AWS with two accounts listens on {server.url} ({seed})\n")
        environment = client_environment(os.environ, identity_variables(server, "alice"))
        # The demo leaves nothing behind, so it starts no agent.
        environment["DSOPS_AGENT"] = "off"
        dsops = os.path.join(os.path.dirname(sys.executable), "dsops")
        print(f"$ dsops exec --config {config} --env production -- sh -c '{COMMAND}'", flush=True)
        words = [dsops, "exec", "--config", config, "--env", "production", "--", "sh", "-c", COMMAND]
        ended = subprocess.run(words, env=environment, check=False)
        print(f"(exit code {ended.returncode})\n\nwhat AWS saw of it:")
        for line in seen(server.sandbox.events.records()):
            print(f"  {line}")
    print("\nno secret's value was printed or written to disk, and the sandbox is gone")
    serve = f"{os.path.relpath(dsops)} sandbox serve --seed {seed} --open"
    print(f"to see in a browser why calls are allowed or denied: {serve}")
    return ended.returncode


def seen(records: Iterator[dict[str, object]]) -> Iterator[str]:
    """Lines for each call, hop by hop; secrets are read in parallel, so they are sorted by name."""
    hop = 0
    secrets = []
    for record in records:
        caller, asked, answered = record["userIdentity"], record["requestParameters"], record["responseElements"]
        if "arn" not in caller:
            continue  # A call into another account is also in that account's trail, without the caller's name.
        if "errorCode" in record:
            yield f"refused: {record['eventName']}: {record['errorMessage']}"
        elif record["eventName"] == "AssumeRole":
            hop += 1
            yield f"hop {hop}: {caller['arn']}"
            yield f"       assumed {asked['roleArn']}" + (", with its external ID" if "externalId" in asked else "")
            yield f"       until {answered['credentials']['expiration']} UTC"
        else:
            what = asked.get("secretId") or ", ".join(asked.get("secretIdList", ()))
            secrets.append(f"secret: {caller['arn']} read {what}")
    yield from sorted(secrets)


if __name__ == "__main__":
    sys.exit(main())
