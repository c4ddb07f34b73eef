"""The IAM actions of operations: by default one action of the same name, and the exceptions of AWS's documentation.

Sources: "Permissions" in the services' API references, the texts of AWS's API models, and the Service Authorization
Reference. An operation whose action none of them states is not listed: its action is unknown, and the guard refuses it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from dsops.request.parameter_values import Parameters
from dsops.request.wire.models import service_model

_PREFIXES: Final[Mapping[str, str]] = {
    "cloudcontrol": "cloudformation",
    "cloudwatch": "cloudwatch",
    "iot-data": "iot",
    "iot-jobs-data": "iotjobsdata",
    "iotsecuretunneling": "iot",
    "mediastore-data": "mediastore",
    "mturk": "mechanicalturk",
    "partnercentral-account": "partnercentral",
    "partnercentral-benefits": "partnercentral",
    "partnercentral-channel": "partnercentral",
    "partnercentral-marketing": "partnercentral",
    "partnercentral-selling": "partnercentral",
    "sagemaker-runtime": "sagemaker",
    "resourcegroupstaggingapi": "tag",
}
"""botocore's service name -> prefix of its actions, if the prefix differs from the signing name."""

_RENAMED: Final = """
accessanalyzer: GetFindingV2 = GetFinding
accessanalyzer: ListFindingsV2 = ListFindings
apigatewaymanagementapi: DeleteConnection GetConnection PostToConnection = ManageConnections
batch: CancelJobs = CancelJob
batch: TerminateJobs = TerminateJob
batch: TerminateServiceJobs = TerminateServiceJob
bcm-pricing-calculator: BatchCreateBillScenarioCommitmentModification = CreateBillScenarioCommitmentModification
bcm-pricing-calculator: BatchCreateBillScenarioUsageModification = CreateBillScenarioUsageModification
bcm-pricing-calculator: BatchCreateWorkloadEstimateUsage = CreateWorkloadEstimateUsage
bcm-pricing-calculator: BatchDeleteBillScenarioCommitmentModification = DeleteBillScenarioCommitmentModification
bcm-pricing-calculator: BatchDeleteBillScenarioUsageModification = DeleteBillScenarioUsageModification
bcm-pricing-calculator: BatchDeleteWorkloadEstimateUsage = DeleteWorkloadEstimateUsage
bcm-pricing-calculator: BatchUpdateBillScenarioCommitmentModification = UpdateBillScenarioCommitmentModification
bcm-pricing-calculator: BatchUpdateBillScenarioUsageModification = UpdateBillScenarioUsageModification
bcm-pricing-calculator: BatchUpdateWorkloadEstimateUsage = UpdateWorkloadEstimateUsage
bedrock-agent-runtime: RetrieveAndGenerateStream = RetrieveAndGenerate
bedrock-runtime: Converse StartAsyncInvoke = InvokeModel
bedrock-runtime: ConverseStream = InvokeModelWithResponseStream
budgets: CreateBudget CreateNotification CreateSubscriber DeleteBudget DeleteNotification = ModifyBudget
budgets: DeleteSubscriber UpdateBudget UpdateNotification UpdateSubscriber = ModifyBudget
budgets: DescribeBudget DescribeBudgetNotificationsForAccount DescribeBudgetPerformanceHistory = ViewBudget
budgets: DescribeBudgets DescribeNotificationsForBudget DescribeSubscribersForNotification = ViewBudget
cloudfront: CreateDistributionWithTags = CreateDistribution TagResource
cloudsearchdomain: UploadDocuments = document
cloudtrail: ListInsightsMetricData = LookupEvents ListInsightsData
codeartifact: GetAuthorizationToken = GetAuthorizationToken sts:GetServiceBearerToken
connectcases: BatchCreateRelatedItem = CreateRelatedItem
connectcases: BatchUpdateCase = UpdateCase
detective: ListOrganizationAdminAccounts = ListOrganizationAdminAccount
dms: DescribeDataProviders = ListDataProviders
dms: DescribeExtensionPackAssociations = ListExtensionPacks
dms: DescribeInstanceProfiles = ListInstanceProfiles
dms: DescribeMetadataModelAssessments = ListMetadataModelAssessments
dms: DescribeMetadataModelConversions = ListMetadataModelConversions
dms: DescribeMetadataModelExportsAsScript DescribeMetadataModelExportsToTarget = ListMetadataModelExports
dms: DescribeMigrationProjects = ListMigrationProjects
dms: ModifyConversionConfiguration = UpdateConversionConfiguration
dms: ModifyDataProvider = UpdateDataProvider
dms: ModifyInstanceProfile = UpdateInstanceProfile
dms: ModifyMigrationProject = UpdateMigrationProject
dms: StartExtensionPackAssociation = AssociateExtensionPack
dms: StartMetadataModelExportAsScript = StartMetadataModelExportAsScripts
ecr: ListImageReferrers = BatchGetImage
ecr-public: GetAuthorizationToken = GetAuthorizationToken sts:GetServiceBearerToken
glue: DeleteColumnStatisticsForPartition = DeleteColumnStatisticsForPartition DeletePartition
glue: DeleteColumnStatisticsForTable = DeleteColumnStatisticsForTable DeleteTable
glue: GetColumnStatisticsForPartition = GetColumnStatisticsForPartition GetPartition
glue: GetColumnStatisticsForTable = GetColumnStatisticsForTable GetTable
glue: GetUnfilteredPartitionMetadata = GetPartition
glue: GetUnfilteredPartitionsMetadata = GetPartitions
glue: GetUnfilteredTableMetadata = GetTable
glue: UpdateColumnStatisticsForPartition = UpdateColumnStatisticsForPartition UpdatePartition
glue: UpdateColumnStatisticsForTable = UpdateColumnStatisticsForTable UpdateTable
keyspaces: CreateKeyspace CreateTable CreateType = Create
keyspaces: DeleteKeyspace DeleteTable DeleteType = Drop
keyspaces: GetKeyspace GetTable GetType ListKeyspaces ListTables ListTagsForResource ListTypes = Select
keyspaces: RestoreTable = Restore
keyspaces: UpdateKeyspace UpdateTable = Alter
lambda: GetLayerVersionByArn = GetLayerVersion
lambda: Invoke InvokeWithResponseStream = InvokeFunction
lambda: InvokeAsync = InvokeFunction InvokeAsync
marketplace-catalog: BatchDescribeEntities = DescribeEntity
neptune-graph: ExecuteQuery = ReadDataViaQuery WriteDataViaQuery DeleteDataViaQuery
neptune-graph: GetQuery = GetQueryStatus
neptunedata: CancelGremlinQuery CancelOpenCypherQuery = CancelQuery
neptunedata: DeletePropertygraphStatistics DeleteSparqlStatistics = DeleteStatistics
neptunedata: ExecuteFastReset = ResetDatabase
neptunedata: ExecuteGremlinExplainQuery ExecuteGremlinQuery = ReadDataViaQuery WriteDataViaQuery DeleteDataViaQuery
neptunedata: ExecuteGremlinProfileQuery ExecuteOpenCypherExplainQuery = ReadDataViaQuery
neptunedata: ExecuteOpenCypherQuery = ReadDataViaQuery WriteDataViaQuery DeleteDataViaQuery
neptunedata: GetGremlinQueryStatus GetOpenCypherQueryStatus ListGremlinQueries ListOpenCypherQueries = GetQueryStatus
neptunedata: GetMLDataProcessingJob = GetMLDataProcessingJobStatus
neptunedata: GetMLEndpoint = GetMLEndpointStatus
neptunedata: GetMLModelTrainingJob = GetMLModelTrainingJobStatus
neptunedata: GetMLModelTransformJob = GetMLModelTransformJobStatus
neptunedata: GetPropertygraphStatistics GetSparqlStatistics = GetStatisticsStatus
neptunedata: GetPropertygraphStream GetSparqlStream = GetStreamRecords
neptunedata: GetPropertygraphSummary GetRDFGraphSummary = GetGraphSummary
neptunedata: ManagePropertygraphStatistics ManageSparqlStatistics = ManageStatistics
qapps: CreatePresignedUrl = ImportDocument
quicksight: CreateDataSet = CreateDataSet PassDataSource
quicksight: UpdateDataSet = UpdateDataSet PassDataSource
s3control: CreateBucket = s3-outposts:CreateBucket
s3control: DeleteAccessPointScope = s3express:DeleteAccessPointScope
s3control: DeleteBucket = s3-outposts:DeleteBucket
s3control: DeleteBucketPolicy = s3-outposts:DeleteBucketPolicy
s3control: DeleteBucketLifecycleConfiguration PutBucketLifecycleConfiguration = s3-outposts:PutLifecycleConfiguration
s3control: DeleteBucketReplication PutBucketReplication = s3-outposts:PutReplicationConfiguration
s3control: DeleteBucketTagging PutBucketTagging = s3-outposts:PutBucketTagging
s3control: DeletePublicAccessBlock PutPublicAccessBlock = PutAccountPublicAccessBlock
s3control: GetAccessPointScope = s3express:GetAccessPointScope
s3control: GetBucket = s3-outposts:GetBucket
s3control: GetBucketLifecycleConfiguration = s3-outposts:GetLifecycleConfiguration
s3control: GetBucketPolicy = s3-outposts:GetBucketPolicy
s3control: GetBucketReplication = s3-outposts:GetReplicationConfiguration
s3control: GetBucketTagging = s3-outposts:GetBucketTagging
s3control: GetBucketVersioning = s3-outposts:GetBucketVersioning
s3control: GetPublicAccessBlock = GetAccountPublicAccessBlock
s3control: ListAccessPointsForDirectoryBuckets = s3express:ListAccessPointsForDirectoryBuckets
s3control: ListRegionalBuckets = s3-outposts:ListRegionalBuckets
s3control: PutAccessPointScope = s3express:PutAccessPointScope
s3control: PutBucketPolicy = s3-outposts:PutBucketPolicy
s3control: PutBucketVersioning = s3-outposts:PutBucketVersioning
sagemaker-runtime: InvokeEndpointWithResponseStream = InvokeEndpointWithResponseStream InvokeEndpoint
securityhub: BatchUpdateFindingsV2 = BatchUpdateFindings
securityhub: GetFindingStatisticsV2 = GetAdhocInsightResults
securityhub: GetFindingsV2 = GetFindings
taxsettings: BatchGetTaxExemptions GetTaxExemptionTypes ListTaxExemptions = GetExemptions
taxsettings: PutTaxExemption = UpdateExemptions
timestream-query: Query = Select
verifiedpermissions: BatchGetPolicy = GetPolicy
verifiedpermissions: BatchIsAuthorized = IsAuthorized
verifiedpermissions: BatchIsAuthorizedWithToken = IsAuthorizedWithToken
vpc-lattice: BatchUpdateRule = UpdateRule
"""
"""`SERVICE: OPERATION ... = ACTION ...`. Several actions are all needed; the first is for the resource itself.

A name without a prefix has the prefix of the service. Names are compared case-insensitively, so only real differences
are listed. Sources that disagree (Glue's column statistics, InvokeAsync) are all listed.
"""

_WITH_PARAMETER: Final = """
bedrock-agentcore: InvokeAgentRuntime runtimeUserId = InvokeAgentRuntimeForUser
dsql: CreateCluster tags = TagResource
efs: CreateAccessPoint Tags = TagResource
efs: CreateFileSystem Tags = TagResource
elasticbeanstalk: UpdateTagsForResource TagsToAdd = AddTags
elasticbeanstalk: UpdateTagsForResource TagsToRemove = RemoveTags
events: PutRule Tags = TagResource
keyspaces: GetTableAutoScalingSettings tableName = application-autoscaling:DescribeScalableTargets
keyspaces: GetTableAutoScalingSettings keyspaceName = application-autoscaling:DescribeScalingPolicies
kinesis: CreateStream Tags = AddTagsToStream
kinesis: RegisterStreamConsumer Tags = TagResource
logs: DeleteAccountPolicy policyType=DATA_PROTECTION_POLICY = DeleteDataProtectionPolicy
logs: DeleteAccountPolicy policyType=FIELD_INDEX_POLICY = DeleteIndexPolicy
logs: DeleteAccountPolicy policyType=RETENTION_POLICY = DeleteRetentionPolicy
logs: DeleteAccountPolicy policyType=SUBSCRIPTION_FILTER_POLICY = DeleteSubscriptionFilter
logs: DeleteAccountPolicy policyType=TRANSFORMER_POLICY = DeleteTransformer
logs: DescribeAccountPolicies policyType=DATA_PROTECTION_POLICY = GetDataProtectionPolicy
logs: DescribeAccountPolicies policyType=FIELD_INDEX_POLICY = DescribeIndexPolicies
logs: DescribeAccountPolicies policyType=SUBSCRIPTION_FILTER_POLICY = DescribeSubscriptionFilters
logs: DescribeAccountPolicies policyType=TRANSFORMER_POLICY = GetTransformer
logs: FilterLogEvents unmask = Unmask
logs: GetLogEvents unmask = Unmask
logs: GetLogRecord unmask = Unmask
logs: PutAccountPolicy policyType=DATA_PROTECTION_POLICY = PutDataProtectionPolicy
logs: PutAccountPolicy policyType=FIELD_INDEX_POLICY = PutIndexPolicy
logs: PutAccountPolicy policyType=RETENTION_POLICY = PutRetentionPolicy
logs: PutAccountPolicy policyType=SUBSCRIPTION_FILTER_POLICY = PutSubscriptionFilter
logs: PutAccountPolicy policyType=TRANSFORMER_POLICY = PutTransformer
redshift: GetClusterCredentials AutoCreate = CreateClusterUser
redshift: GetClusterCredentials DbGroups = JoinGroup
rekognition: CreateCollection Tags = TagResource
rekognition: CreateStreamProcessor Tags = TagResource
s3tables: CreateTable encryptionConfiguration = PutTableEncryption
s3tables: CreateTable metadata = PutTableData
s3tables: CreateTable storageClassConfiguration = PutTableStorageClass
s3tables: CreateTable tags = TagResource
s3tables: CreateTableBucket encryptionConfiguration = PutTableBucketEncryption
s3tables: CreateTableBucket storageClassConfiguration = PutTableBucketStorageClass
s3tables: CreateTableBucket tags = TagResource
s3vectors: CreateIndex tags = TagResource
s3vectors: CreateVectorBucket tags = TagResource
s3vectors: ListVectors returnData = GetVectors
s3vectors: ListVectors returnMetadata = GetVectors
s3vectors: QueryVectors filter = GetVectors
s3vectors: QueryVectors queryTexts = GetVectors
s3vectors: QueryVectors returnMetadata = GetVectors
"""
"""`SERVICE: OPERATION PARAMETER = ACTION`: an action that is needed too if the parameter is set, or has a value."""


def prefix_of(service: str) -> str:
    """Return the prefix of a service's actions, such as `elasticfilesystem` for `efs`."""
    return _PREFIXES.get(service) or str(service_model(service).signing_name)


def actions_of(service: str, operation: str, parameters: Parameters) -> tuple[str, ...]:
    """Return the actions that an operation needs, such as `lambda:InvokeFunction`. All of them must be allowed.

    The first action is for the resource that the operation acts on.
    """
    names = [*_renamed().get((service, operation), (operation,))]
    names += (
        name
        for parameter, value, name in _with_parameter().get((service, operation), ())
        if (parameters.get(parameter) == value if value else parameters.get(parameter))
    )
    prefix = prefix_of(service)
    return tuple(dict.fromkeys(name if ":" in name else f"{prefix}:{name}" for name in names))


@cache
def _renamed() -> Mapping[tuple[str, str], tuple[str, ...]]:
    return {(service, operation): tuple(right) for service, left, right in _rows(_RENAMED) for operation in left}


@cache
def _with_parameter() -> Mapping[tuple[str, str], tuple[tuple[str, str, str], ...]]:
    """Return the rows of `_WITH_PARAMETER`: (parameter, value or "", action) by service and operation."""
    found: dict[tuple[str, str], tuple[tuple[str, str, str], ...]] = {}
    for service, (operation, parameter), (action,) in _rows(_WITH_PARAMETER):
        name, _, value = parameter.partition("=")
        found[service, operation] = (*found.get((service, operation), ()), (name, value, action))
    return found


def _rows(table: str) -> Iterator[tuple[str, list[str], list[str]]]:
    for line in table.strip().splitlines():
        service, _, rest = line.partition(": ")
        left, _, right = rest.rpartition(" = ")
        yield service, left.split(), right.split()
