"""Which sessions of a node depend on the caller."""

from __future__ import annotations

import pytest

from dsops.errors import DsopsError
from dsops.node.issuer import NodeIssuer
from tests.fakes import make_runtime
from tests.plans import config_of

STORES = """\
secretStores:
  plain: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A", region: us-east-1}
  tagged:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/A
    region: us-east-1
    tags: {pod: "${KUBERNETES_POD_NAME}"}
  chained: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/B", region: us-east-1, credentials_from: tagged}
  named: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/${SPIFFE_ID}", region: us-east-1}
  wrong: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A", region: us-east-1, tags: {a: "${POD}"}}
"""
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE01", "AWS_SECRET_ACCESS_KEY": "secret"}


def test_stores_with_variables_of_callers_vary() -> None:
    """A store varies if it, or a store that its credentials come from, names a variable of callers."""
    issuer = NodeIssuer(config_of(STORES), make_runtime(KEYS))
    assert issuer.varying(["plain", "tagged", "chained", "named"]) == {"tagged", "chained", "named"}
    issuer.check(("plain", "tagged", "chained"), ())


def test_other_variables_must_be_set() -> None:
    """A variable that is neither the node's nor a caller's is an error before the node starts."""
    issuer = NodeIssuer(config_of(STORES), make_runtime(KEYS))
    with pytest.raises(DsopsError, match="POD"):
        issuer.check(("wrong",), ())
