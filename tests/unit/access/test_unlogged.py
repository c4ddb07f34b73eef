"""The table of actions that CloudTrail does not log by default, compared with two lists of AWS."""

from __future__ import annotations

from typing import Literal

import pytest

from dsops.access.unused.catalogue import Catalogue
from dsops.access.unused.unlogged import unlogged
from dsops.service_reference import open_reference

# The services with data events in the table "Data events" of AWS's CloudTrail User Guide (read on 2026-11-29), by the
# prefix of their actions. Missing are those without actions in AWS's service reference, and FSx, whose volumes have
# management events only in that reference.
SERVICES = """
    acm aidevops aiops airflow aoss appconfig application-signals appsync b2bi backup backup-search bedrock
    bedrock-agentcore bedrock-mantle cassandra cloudfront-keyvaluestore cloudtrail-data cloudwatch codeguru-profiler
    codewhisperer cognito-identity dataexchange deadline dsql dynamodb ebs ec2-instance-connect ecs eks emrwal events
    finspace firehose gameliftstreams geo-maps geo-places geo-routes glue greengrass guardduty health-agent healthlake
    iot iotjobsdata iotsitewise iottwinmaker kendra-ranking kinesis kinesisvideo lambda lex logs machinelearning
    managedblockchain managedblockchain-query medical-imaging mobiletargeting neptune-graph networkflowmonitor nova-act
    one payment-cryptography pca-connector-ad pca-connector-scep q qapps qbusiness qdeveloper quicksight rds-data
    redshift resource-explorer-2 rum s3 s3-object-lambda s3-outposts s3express s3tables s3vectors sagemaker
    sagemaker-mlflow scn sdb servicediscovery ses signer sms-voice sns social-messaging sqs ssm ssmmessages states swf
    thinclient timestream transform transform-custom uxc verifiedpermissions wellarchitected xray
""".split()
KINDS: tuple[Literal["data", "never"], ...] = ("data", "never")
NOT_IN_REFERENCE = {"emrwal"}
"""Services of the User Guide that AWS's service reference lacks."""


@pytest.mark.parametrize("prefix", SERVICES)
def test_each_service_with_data_events_is_in_the_table(prefix: str) -> None:
    """A service whose data events a trail logs only on request has actions that are kept."""
    reference = open_reference()

    assert reference is not None
    assert (reference.service(prefix) is None) == (prefix in NOT_IN_REFERENCE)
    assert prefix in unlogged("data")


def test_each_entry_is_an_action_of_aws() -> None:
    """Every pattern of the table matches an action in AWS's service reference, so that no name is misspelled."""
    reference = open_reference()
    catalogue = Catalogue(reference)
    unmatched = [
        f"{prefix}:{name}"
        for kind in KINDS
        for prefix, names in unlogged(kind).items()
        for name in names
        if prefix not in NOT_IN_REFERENCE and not catalogue.names_of(prefix, (name,))
    ]

    assert reference is not None
    assert [] == unmatched


def test_no_service_is_wholly_in_both_lists() -> None:
    """A service that has data events is not said to have no events."""
    both = unlogged("data").keys() & unlogged("never").keys()

    assert not [prefix for prefix in both if "*" in unlogged("never")[prefix]]
