"""How the cost of an operation grows with the size of its input: the exponent at three sizes; above 1.15 is a defect.

Each operation runs in this process: commands by `dsops.cli.main`, the sandbox without a socket. The cost is CPU time,
or with `--count` the number of executed lines, which has no noise, so that 1.05 is the limit. An exponent of 1 means
that twice the input costs twice as much, not counting what is the same at all sizes. For an operation on one of many
things, such as CreateRole, the cost of a few calls is multiplied by the size; so an exponent of 1 means that a call
costs the same at each size.
"""

from __future__ import annotations

import argparse
import atexit
import functools
import json
import math
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.run import machine  # noqa: E402 - the folder above is on the path only now
from dsops.audit.chain import START, hash_of, link  # noqa: E402
from dsops.cli import main as run_command  # noqa: E402
from dsops.sandbox.clock import MovableClock  # noqa: E402
from tests.sandboxes import Keys, Lab  # noqa: E402
from tests.unit.cli.stub_aws import StubAws  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LIMIT = 1.15
COUNTED_LIMIT = 1.05
CALLS = 20
NO_VARIABLES: Mapping[str, str] = {}
ROUNDS = 3
ACCOUNT = "111111111111"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        },
    }
)
POLICY = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}'
EVENT = (
    b'{"eventName":"GetSecretValue","eventTime":"2026-11-28T10:00:00Z","eventSource":"secretsmanager.amazonaws.com"}'
)
SEED = f"""\
accounts:
  "{ACCOUNT}":
    users:
      admin:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "*", Resource: "*"}}}}
"""


class Case(NamedTuple):
    """An operation, and how to prepare its input of a size in an empty folder."""

    name: str
    prepare: Callable[[int, Path], Callable[[], object]]
    sizes: tuple[int, int, int]
    small: tuple[int, int, int]
    """The sizes at which lines are counted."""
    is_one_of_many: bool = False
    """Whether the prepared action is a fixed number of calls, whatever the size."""


def configuration(stores: int) -> str:
    """Return a configuration: half the stores are roles, nine of ten chained, and each role reads one secret."""
    lines = ["version: 1", "secretStores:"]
    for number in range(stores // 2):
        lines += [f"  role-{number}:", "    type: aws.sts", "    region: us-east-1"]
        lines.append(f"    role_arn: arn:aws:iam::123456789012:role/R{number}")
        if number % 10:
            lines.append(f"    credentials_from: role-{number - number % 10}")
        lines += [f"  secrets-{number}:", "    type: aws.secretsmanager", f"    credentials_from: role-{number}"]
    lines += ["envs:", "  production:"]
    lines += [f"    V{number}: {{from: {{store: secrets-{number}, key: k{number}}}}}" for number in range(stores // 2)]
    return "\n".join([*lines, ""])


def one_chain(stores: int) -> str:
    """Return a configuration in which each role is assumed with the role before it."""
    lines = ["version: 1", "defaults: {aws.sts: {region: us-east-1}}", "secretStores:"]
    for number in range(stores):
        lines += [f"  role-{number}:", "    type: aws.sts", f"    role_arn: arn:aws:iam::123456789012:role/R{number}"]
        lines += [f"    credentials_from: role-{number - 1}"] if number else []
    lines += [f"  last: {{type: aws.secretsmanager, credentials_from: role-{stores - 1}}}"]
    return "\n".join([*lines, "envs: {production: {V: {from: {store: last, key: k}}}}", ""])


def variables(count: int) -> str:
    """Return a configuration with so many literal variables, each of which names the user."""
    lines = [f"    V{number}: {{literal: 'of ${{USER}}, {number}'}}" for number in range(count)]
    return "\n".join(["version: 1", "envs:", "  production:", *lines, ""])


def readers(count: int) -> str:
    """Return a configuration with so many roles, each of which reads one secret of the stub."""
    lines = ["version: 1", "defaults: {aws.sts: {region: us-east-1}}", "secretStores:"]
    for number in range(count):
        lines.append(f"  role-{number}: {{type: aws.sts, role_arn: 'arn:aws:iam::123456789012:role/R{number}'}}")
        lines.append(f"  secrets-{number}: {{type: aws.secretsmanager, credentials_from: role-{number}}}")
    lines += ["envs:", "  production:"]
    lines += [f"    V{number}: {{from: {{store: secrets-{number}, key: prod/token}}}}" for number in range(count)]
    return "\n".join([*lines, ""])


@functools.cache
def stub_address() -> str:
    """Return the address of a stub of AWS, which runs until this process ends."""
    aws = StubAws()
    atexit.register(aws.__exit__)
    return aws.__enter__().server.url


def with_aws(*words: str) -> Callable[[int, Path], Callable[[], object]]:
    """Return how to prepare a command that assumes so many roles, and sends its requests to the stub of AWS."""

    def prepare(size: int, folder: Path) -> Callable[[], object]:
        (folder / "dsops.yaml").write_text(readers(size), encoding="utf-8")
        environ = {"AWS_ENDPOINT_URL": stub_address(), "AWS_REGION": "us-east-1", "DSOPS_KEYRING": "off"}
        return _in_folder(folder, words, environ)

    return prepare


def command(*words: str, written: Callable[[int], str] = configuration) -> Callable[[int, Path], Callable[[], object]]:
    """Return how to prepare a command on a configuration of a size, which `written` returns."""

    def prepare(size: int, folder: Path) -> Callable[[], object]:
        (folder / "dsops.yaml").write_text(written(size), encoding="utf-8")
        return _in_folder(folder, words)

    return prepare


def profiles(size: int, folder: Path) -> Callable[[], object]:
    """Prepare `dsops stores` with so many AWS profiles, each of which assumes a role."""
    (folder / ".aws").mkdir(exist_ok=True)
    text = "".join(
        f"[profile p{number}]\nregion = us-east-1\nsource_profile = base\n"
        f"role_arn = arn:aws:iam::123456789012:role/R{number}\n"
        for number in range(size)
    )
    (folder / ".aws" / "config").write_text(f"[profile base]\nregion = us-east-1\n{text}", encoding="utf-8")
    (folder / "dsops.yaml").unlink(missing_ok=True)
    return _in_folder(folder, ("stores",))


def audit(*words: str) -> Callable[[int, Path], Callable[[], object]]:
    """Return how to prepare a command of `dsops audit` on a trail with so many records."""

    def prepare(size: int, folder: Path) -> Callable[[], object]:
        trail, previous = folder / "trail.jsonl", START
        with trail.open("wb") as file:
            for number in range(size):
                line = link(EVENT, number + 1, previous)
                previous = hash_of(line)
                file.write(line + b"\n")
        return _in_folder(folder, ("audit", *words, str(trail)))

    return prepare


def statements(size: int, folder: Path) -> Callable[[], object]:
    """Prepare `dsops policy check` of one policy with so many statements."""
    statement = {"Effect": "Allow", "Action": "s3:GetObject"}
    policy = {
        "Version": "2012-10-17",
        "Statement": [{**statement, "Resource": f"arn:aws:s3:::bucket-{number}/*"} for number in range(size)],
    }
    (folder / "policy.json").write_text(json.dumps(policy), encoding="utf-8")
    return _in_folder(folder, ("policy", "check", "policy.json"))


def policy_check(size: int, folder: Path) -> Callable[[], object]:
    """Prepare `dsops policy check` of so many files."""
    for number in range(size):
        (folder / f"policy-{number}.json").write_text(POLICY, encoding="utf-8")
    return _in_folder(folder, ("policy", "check", *sorted(path.name for path in folder.glob("*.json"))))


def _in_folder(folder: Path, words: Sequence[str], environ: Mapping[str, str] = NO_VARIABLES) -> Callable[[], object]:
    def action() -> None:
        with quiet(folder, environ):
            code = run_command(words)
        if code:
            raise SystemExit(f"`dsops {' '.join(words)[:60]}` ended with exit code {code}")

    return action


@contextmanager
def quiet(folder: Path, variables: Mapping[str, str] = NO_VARIABLES) -> Iterator[None]:
    """Work in the folder, with a home folder and keys of its own and without output to stdout and stderr."""
    before, environ = Path.cwd(), dict(os.environ)
    saved = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for name in [name for name in os.environ if name.startswith(("AWS_", "DSOPS_"))]:
            del os.environ[name]
        os.environ |= {"HOME": str(folder), "AWS_ACCESS_KEY_ID": "AKIABENCHBENCHBENCHB", "AWS_SECRET_ACCESS_KEY": "b"}
        os.environ |= {"DSOPS_AGENT": "off", **variables}
        os.chdir(folder)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, copy in enumerate(saved, 1):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environ)


def create_role(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of CreateRole in an account with so many roles."""
    admin = with_roles(size)

    def create() -> None:
        for number in range(CALLS):
            make_role(admin, size + number)

    return create


def attach_role_policy(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of AttachRolePolicy in an account with so many roles."""
    admin = with_roles(size)
    arn = admin.call("iam", "CreatePolicy", PolicyName="p", PolicyDocument=POLICY)["Policy"]["Arn"]
    return lambda: [
        admin.call("iam", "AttachRolePolicy", RoleName=f"role-{size - 1 - number}", PolicyArn=arn)
        for number in range(CALLS)
    ]


def list_roles(size: int, _: Path) -> Callable[[], object]:
    """Prepare the list of so many roles, on pages of 100."""
    admin = with_roles(size)

    def pages() -> None:
        page: dict[str, Any] = {"IsTruncated": True}
        while page["IsTruncated"]:
            marker = {"Marker": page["Marker"]} if "Marker" in page else {}
            page = admin.call("iam", "ListRoles", **marker)

    return pages


def send_message(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of SendMessage to a queue with so many messages."""
    admin = Lab.of(SEED).user("admin")
    url = admin.call("sqs", "CreateQueue", QueueName="q")["QueueUrl"]

    def send(count: int) -> None:
        for _ in range(count):
            admin.call("sqs", "SendMessage", QueueUrl=url, MessageBody="x")

    send(size)
    return lambda: send(CALLS)


def sandbox_calls(
    prepare: Callable[[Any, int], object], call: Callable[[Any, int], object]
) -> Callable[[int, Path], Callable[[], object]]:
    """Return how to prepare a few calls to a sandbox for which `prepare` ran with each number below the size."""

    def prepared(size: int, _: Path) -> Callable[[], object]:
        admin = Lab.of(SEED).user("admin")
        for number in range(size):
            prepare(admin, number)
        return lambda: [call(admin, size - 1 - number) for number in range(CALLS)]

    return prepared


def make_secret(admin: Any, number: int) -> None:
    """Create the secret of that number."""
    admin.call("secretsmanager", "CreateSecret", Name=f"secret-{number}", SecretString="x")


def create_secret(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of CreateSecret in an account with so many secrets."""
    admin = Lab.of(SEED).user("admin")
    for number in range(size):
        make_secret(admin, number)

    def create() -> None:
        for number in range(size, size + CALLS):
            make_secret(admin, number)

    return create


def put_secret_value(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of PutSecretValue for a secret that received so many values, with a day between them."""
    lab = Lab.of(SEED, MovableClock())
    admin = lab.user("admin")
    make_secret(admin, 0)
    lab.sandbox.clock.advance(2 * 24 * 3600)

    def put(count: int) -> None:
        for number in range(count):
            admin.call("secretsmanager", "PutSecretValue", SecretId="secret-0", SecretString=str(number))

    put(size)
    return lambda: put(CALLS)


def make_parameter(admin: Any, number: int) -> None:
    """Create the parameter of that number."""
    admin.call("ssm", "PutParameter", Name=f"/app/parameter-{number}", Value="x", Type="String", Overwrite=True)


def assume(admin: Any, number: int) -> None:
    """Assume a role, which makes one more session. The first call creates the role."""
    if not number:
        make_role(admin, 0)
    admin.call("sts", "AssumeRole", RoleArn=f"arn:aws:iam::{ACCOUNT}:role/role-0", RoleSessionName="growth")


def put_object(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of PutObject to a bucket with so many objects."""
    admin = Lab.of(SEED).user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")

    def put(numbers: range) -> None:
        for number in numbers:
            admin.call("s3", "PutObject", Bucket="bucket", Key=f"key-{number}", Body=b"x")

    put(range(size))
    return lambda: put(range(size, size + CALLS))


def put_item(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls of PutItem to a table with so many items."""
    admin = Lab.of(SEED).user("admin")
    admin.call(
        "dynamodb",
        "CreateTable",
        TableName="table",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )

    def put(numbers: range) -> None:
        for number in numbers:
            admin.call("dynamodb", "PutItem", TableName="table", Item={"id": {"S": f"key-{number}"}})

    put(range(size))
    return lambda: put(range(size, size + CALLS))


def by_one_of_many_users(size: int, _: Path) -> Callable[[], object]:
    """Prepare a few calls by the last of so many users."""
    lab = Lab.of(SEED)
    admin = lab.user("admin")
    for number in range(size):
        admin.call("iam", "CreateUser", UserName=f"user-{number}")
    key = admin.call("iam", "CreateAccessKey", UserName=f"user-{size - 1}")["AccessKey"]
    caller = lab.with_keys(Keys(access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"]))

    def call() -> None:
        for _ in range(CALLS):
            caller.call("sts", "GetCallerIdentity")

    return call


def with_roles(size: int) -> Any:  # the caller of tests.sandboxes
    """Return the administrator of a new account with so many roles."""
    admin = Lab.of(SEED).user("admin")
    for number in range(size):
        make_role(admin, number)
    return admin


def make_role(admin: Any, number: int) -> None:
    """Create the role of that number."""
    admin.call("iam", "CreateRole", RoleName=f"role-{number}", AssumeRolePolicyDocument=TRUST)


STORES, FEW_STORES = (750, 1500, 3000), (40, 80, 160)
MANY, FEW = (1000, 2000, 4000), (40, 80, 160)
CASES = (
    Case("plan", command("plan", "--env", "production"), STORES, FEW_STORES),
    Case("stores", command("stores"), STORES, FEW_STORES),
    Case("validate", command("validate"), STORES, FEW_STORES),
    Case("graph", command("graph"), STORES, FEW_STORES),
    Case("plan, one chain", command("plan", "--env", "production", written=one_chain), (75, 150, 300), (20, 40, 80)),
    Case("policy generate", command("policy", "generate", "--env", "production"), STORES, FEW_STORES),
    Case("plan, variables", command("plan", "--env", "production", written=variables), MANY, FEW),
    Case(
        "render",
        command("render", "--config", "dsops.yaml", "--env", "production", "--format", "json", written=variables),
        MANY,
        FEW,
    ),
    Case("stores, AWS profiles", profiles, STORES, FEW_STORES),
    Case("complete, stores", command("complete", "--", "credentials", ""), STORES, FEW_STORES),
    Case("doctor", with_aws("doctor", "--config", "dsops.yaml"), (50, 100, 200), (10, 20, 40)),
    Case("explain", with_aws("explain", "--config", "dsops.yaml", "--env", "production"), (50, 100, 200), (10, 20, 40)),
    Case("audit list", audit("list"), MANY, FEW),
    Case("audit verify", audit("verify"), MANY, FEW),
    Case("policy check, one policy", statements, (250, 500, 1000), (10, 20, 40)),
    Case("AssumeRole", sandbox_calls(assume, lambda admin, _: assume(admin, 1)), MANY, FEW, is_one_of_many=True),
    Case(
        "GetSecretValue",
        sandbox_calls(
            make_secret,
            lambda admin, number: admin.call("secretsmanager", "GetSecretValue", SecretId=f"secret-{number}"),
        ),
        MANY,
        FEW,
        is_one_of_many=True,
    ),
    Case(
        "PutSecretValue",
        sandbox_calls(
            make_secret,
            lambda admin, number: admin.call(
                "secretsmanager", "PutSecretValue", SecretId=f"secret-{number}", SecretString="y"
            ),
        ),
        MANY,
        FEW,
        is_one_of_many=True,
    ),
    # Above the 100 versions that a secret keeps.
    Case("PutSecretValue, one secret", put_secret_value, MANY, (110, 220, 440), is_one_of_many=True),
    Case("CreateSecret", create_secret, MANY, FEW, is_one_of_many=True),
    Case(
        "GetParameter",
        sandbox_calls(
            make_parameter, lambda admin, number: admin.call("ssm", "GetParameter", Name=f"/app/parameter-{number}")
        ),
        MANY,
        FEW,
        is_one_of_many=True,
    ),
    Case("PutParameter", sandbox_calls(make_parameter, make_parameter), MANY, FEW, is_one_of_many=True),
    Case("policy check", policy_check, (250, 500, 1000), (10, 20, 40)),
    Case("CreateRole", create_role, (500, 2000, 8000), (30, 120, 480), is_one_of_many=True),
    Case("AttachRolePolicy", attach_role_policy, (500, 2000, 8000), (30, 120, 480), is_one_of_many=True),
    Case("ListRoles", list_roles, (500, 2000, 8000), (100, 200, 400)),
    Case("SendMessage", send_message, (250, 500, 1000), (30, 60, 120), is_one_of_many=True),
    Case("PutObject", put_object, (250, 500, 1000), (30, 60, 120), is_one_of_many=True),
    Case("PutItem", put_item, (250, 500, 1000), (30, 60, 120), is_one_of_many=True),
    Case("GetCallerIdentity", by_one_of_many_users, (250, 500, 1000), (30, 60, 120), is_one_of_many=True),
)


def lines_of(action: Callable[[], object]) -> int:
    """Run the action and return the number of lines of Python that it executed in this thread."""
    count = 0

    def trace(_frame: object, event: str, _argument: object) -> Any:  # a trace function returns itself
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return count


def seconds_of(action: Callable[[], object]) -> float:
    """Run the action and return the CPU time of this process that it took."""
    begin = process_time()
    action()
    return process_time() - begin


def cost(case: Case, size: int, measure: Callable[[Callable[[], object]], float], rounds: int) -> float:
    """Return the least cost of the operation at this size. The first run, which imports modules, does not count."""
    with tempfile.TemporaryDirectory() as folder:
        costs = []
        for _ in range(rounds):
            action = case.prepare(size, Path(folder))
            if not case.is_one_of_many:
                action()
            costs.append(measure(action))
    return min(costs) * (size / CALLS if case.is_one_of_many else 1)


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Return the exponent of the growth. Each size is the same multiple of the size before it.

    The differences of the costs don't contain the part of the cost that is the same at all sizes.
    """
    grown = (costs[2] - costs[1]) / max(costs[1] - costs[0], 1e-9)
    return math.log(max(grown, 1e-9)) / math.log(sizes[1] / sizes[0])


def counted(case: Case) -> float:
    """Return the exponent of the executed lines at the small sizes."""
    cost(case, case.small[0], lines_of, 1)  # imports modules and fills caches
    return exponent(case.small, [cost(case, size, lines_of, 1) for size in case.small])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure how the cost of operations grows")
    parser.add_argument("--count", action="store_true", help="count executed lines at small sizes")
    parser.add_argument("--only", default="", help="the name of one operation")
    options = parser.parse_args()
    print(f"{machine()}; {'executed lines' if options.count else f'CPU time, the least of {ROUNDS} rounds'}\n")
    print("| operation | sizes | cost | exponent | |\n|---|---|---|---|---|")
    from bench.agent_growth import CASES as OF_AGENT  # it imports this module

    for case in (*CASES, *OF_AGENT):
        if options.only not in ("", case.name):
            continue
        sizes, measure = (case.small, lines_of) if options.count else (case.sizes, seconds_of)
        cost(case, case.small[0], measure, 1)
        costs = [cost(case, size, measure, 1 if options.count else ROUNDS) for size in sizes]
        grown = exponent(sizes, costs)
        shown = [
            f"{each / size * CALLS if case.is_one_of_many else each:,.{0 if options.count else 3}f}"
            for size, each in zip(sizes, costs, strict=True)
        ]
        verdict = "defect" if grown > (COUNTED_LIMIT if options.count else LIMIT) else ""
        print(f"| {case.name} | {' / '.join(map(str, sizes))} | {' / '.join(shown)} | {grown:.2f} | {verdict} |")


if __name__ == "__main__":
    main()
