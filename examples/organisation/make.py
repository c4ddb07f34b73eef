"""Write seed.yaml: the 40 accounts of a made-up company, with four mistakes in their policies.

Run it as `python make.py > seed.yaml`.
"""

import json
from typing import Any

MANAGEMENT, AUDIT, LOGS = "100000000001", "100000000002", "100000000003"
BUILD, NETWORK, MONITORING = "100000000004", "100000000005", "100000000006"
TEAMS = "payments orders catalog search mail billing shipping returns partners reports stock web".split()
DEVELOPERS = [f"4000000000{number:02}" for number in range(1, 11)]
VENDOR = "999999999999"
GITHUB = "token.actions.githubusercontent.com"
READ = "secretsmanager:GetSecretValue"
COMPANY = "repo:kestrel-co"


def production(team: str) -> str:
    """Return the id of a team's production account."""
    return f"2000000000{TEAMS.index(team) + 1:02}"


def staging(team: str) -> str:
    """Return the id of a team's staging account."""
    return f"3000000000{TEAMS.index(team) + 1:02}"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """Return a policy document."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


def trust(principal: dict[str, str], action: str = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    """Return a trust policy."""
    return policy({"Principal": principal, "Action": action} | ({"Condition": condition} if condition else {}))


def role_arn(account: str, name: str) -> str:
    """Return the ARN of a role."""
    return f"arn:aws:iam::{account}:role/{name}"


def github(**condition: Any) -> dict[str, Any]:
    """Return a trust policy for workflows of GitHub."""
    audience = {"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}
    provider = {"Federated": f"arn:aws:iam::{BUILD}:oidc-provider/{GITHUB}"}
    return trust(provider, "sts:AssumeRoleWithWebIdentity", **audience, **condition)


def workload(team: str, stage: str) -> dict[str, Any]:
    """Return an account of a team: a role that deploys, one that runs the application, one that audits."""
    deployers = {"AWS": role_arn(BUILD, "Pipeline" if stage == "prod" else "LegacyPipeline")}
    if (team, stage) == ("payments", "prod"):
        # Mistake 3: all of the network account may deploy, "for the migration of May".
        deployers = {"AWS": f"arn:aws:iam::{NETWORK}:root"}
    own_secrets = {"Action": READ, "Resource": f"arn:aws:secretsmanager:*:*:secret:{stage}/{team}/*"}
    account: dict[str, Any] = {
        "users": {"admin": {}},
        "roles": {
            "Deploy": {
                "trust": trust(deployers),
                "policies": [policy({"Action": "ecs:*", "Resource": "*"}, own_secrets)],
            },
            "App": {"trust": trust({"Service": "ecs-tasks.amazonaws.com"}), "policies": [policy(own_secrets)]},
            "Auditor": {
                "trust": trust({"AWS": role_arn(AUDIT, "Auditor")}),
                "policies": [policy({"Action": ["iam:Get*", "iam:List*", "secretsmanager:List*"], "Resource": "*"})],
            },
        },
        "secrets": {f"{stage}/{team}/db": "invented"},
    }
    if (team, stage) == ("billing", "prod"):
        # Mistake 2: a vendor's role without an external ID, which may read secrets.
        account["roles"]["VendorMonitoring"] = {
            "trust": trust({"AWS": f"arn:aws:iam::{VENDOR}:root"}),
            "policies": [policy({"Action": ["cloudwatch:Get*", "secretsmanager:Get*"], "Resource": "*"})],
        }
    if (team, stage) == ("reports", "prod"):
        # Mistake 4: a role that runs functions may pass any role to them, the administrators' one, too.
        functions = ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]
        account["roles"] |= {
            "ReportBuilder": {
                "trust": trust({"AWS": f"arn:aws:iam::{production(team)}:root"}),
                "policies": [policy({"Action": functions, "Resource": "*"})],
            },
            "Maintenance": {
                "trust": trust({"Service": "lambda.amazonaws.com"}),
                "policies": [policy({"Action": "*", "Resource": "*"})],
            },
        }
    return account


def company() -> dict[str, Any]:
    """Return the seed."""
    hop = policy({"Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/Deploy"})
    tools = policy({"Action": "sts:AssumeRole", "Resource": role_arn(NETWORK, "Tools")})
    accounts: dict[str, Any] = {
        MANAGEMENT: {"users": {"admin": {}}},
        AUDIT: {
            "users": {"admin": {}},
            "roles": {
                "Auditor": {
                    "trust": trust({"AWS": MANAGEMENT}, Bool={"aws:MultiFactorAuthPresent": "true"}),
                    "policies": [policy({"Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/Auditor"})],
                }
            },
        },
        LOGS: {"users": {"admin": {}}},
        BUILD: {
            "users": {"admin": {}},
            "oidc_providers": [{"url": f"https://{GITHUB}", "client_ids": ["sts.amazonaws.com"]}],
            "roles": {
                "Pipeline": {
                    "trust": github(StringLike={f"{GITHUB}:sub": f"{COMPANY}/deploy:ref:refs/heads/main"}),
                    "policies": [hop],
                },
                # Mistake 1: nothing says which repository; every workflow of GitHub gets this role.
                "LegacyPipeline": {"trust": github(), "policies": [hop]},
            },
        },
        NETWORK: {
            "users": {"admin": {}},
            "roles": {"Tools": {"trust": trust({"AWS": f"arn:aws:iam::{DEVELOPERS[0]}:root"}), "policies": [hop]}},
        },
        MONITORING: {"users": {"admin": {}}},
    }
    for team in TEAMS:
        accounts[production(team)] = workload(team, "prod")
        accounts[staging(team)] = workload(team, "staging")
    for number, account in enumerate(DEVELOPERS):
        users: dict[str, Any] = {"admin": {}}
        if not number:
            keys = {"access_key_id": "AKIAADA0000000000000", "secret_access_key": "invented"}
            users |= {"ada": {**keys, "policies": [tools]}, "ben": {}}
        accounts[account] = {"users": users}
    return {"accounts": accounts, "organization": organization()}


def organization() -> dict[str, Any]:
    """Return the organization with its units and its service control policies."""
    no_users = policy(
        {
            "Effect": "Deny",
            "Action": "secretsmanager:*",
            "Resource": "*",
            "Condition": {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}},
        }
    )
    return {
        "management_account": MANAGEMENT,
        "id": "o-kestrel001",
        "accounts": {MANAGEMENT: {"name": "management"}},
        "organizational_units": {
            "Security": {"accounts": {AUDIT: {"name": "audit"}, LOGS: {"name": "logs"}}},
            "Infrastructure": {
                "accounts": {BUILD: {"name": "build"}, NETWORK: {"name": "network"}, MONITORING: {"name": "monitoring"}}
            },
            "Production": {
                "service_control_policies": [{"name": "no-users-with-secrets", "document": no_users}],
                "accounts": {production(team): {"name": f"{team}-prod"} for team in TEAMS},
            },
            "Staging": {"accounts": {staging(team): {"name": f"{team}-staging"} for team in TEAMS}},
            "Development": {"accounts": {account: {"name": f"dev-{account[-2:]}"} for account in DEVELOPERS}},
        },
    }


def lines(value: object, indent: int = 0, depth: int = 4) -> list[str]:
    """Return YAML: a block of `depth` levels, and JSON below them."""
    result = []
    for key, item in value.items() if isinstance(value, dict) else ():
        name = json.dumps(key) if key.isdigit() else key
        if isinstance(item, dict) and item and depth:
            result += [f"{' ' * indent}{name}:", *lines(item, indent + 2, depth - 1)]
        else:
            result.append(f"{' ' * indent}{name}: {json.dumps(item)}")
    return result


if __name__ == "__main__":
    print("# 40 accounts of a made-up company, with four mistakes. Written by make.py.")
    print("\n".join(lines(company())))
