"""Render the policies of one account as a CloudFormation template, with a parameter for each placeholder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.grants import BaseGrants, Grants, ManagedPolicy, RoleGrants
from dsops.grants.names import UniqueNames
from dsops.grants.placeholders import Placeholder, blanks_in
from dsops.grants.selection import Selection
from dsops.plan.statements import compact, policy

Template = dict[str, object]

_UNFIT = r"[^A-Za-z0-9]"


def template(grants: Grants, selection: Selection, description: str) -> Template:
    """Return the template as JSON values. It names roles, so deploying it needs CAPABILITY_NAMED_IAM."""
    names = UniqueNames(_UNFIT, "")
    resources: Template = {}
    names_by_role: dict[str, str] = {}
    for role in grants.roles:
        resources |= _role(role, names, names_by_role, selection, grants.environment)
    for base in grants.bases if selection.has_permissions else ():
        resources[names.of(f"{base.who.title()}Credentials")] = _base(base, grants.environment)
    document: Template = {"AWSTemplateFormatVersion": "2010-09-09", "Description": description}
    # A parameter and a resource must not have the same name.
    parameters = {
        blank_or_parameter: names.of("".join(part.title() for part in blank_or_parameter.name.split("_")))
        for blank_or_parameter in dict.fromkeys(blanks_in(resources))
    }
    if parameters:
        document["Parameters"] = {
            name: _parameter_template(blank_or_parameter) for blank_or_parameter, name in parameters.items()
        }
    if resources:
        document["Resources"] = _referring(resources, parameters)
    if grants.sessions and selection.has_sessions:
        document["Outputs"] = {
            names.of(f"SessionPolicyOf{session.store.title()}"): {
                "Description": f"The session policy of store {session.store}",
                "Value": compact(session.policy),
            }
            for session in grants.sessions
        }
    return document


def template_of_policy(managed: ManagedPolicy, description: str, metadata: Template) -> Template:
    """Return a template with one managed policy. `metadata` is for people; CloudFormation does not use it."""
    document: Template = {"AWSTemplateFormatVersion": "2010-09-09", "Description": description}
    resource = {**_managed(managed), **({"Metadata": metadata} if metadata else {})}
    return {**document, "Resources": {UniqueNames(_UNFIT, "").of(managed.name.title()): resource}}


def _managed(managed: ManagedPolicy) -> Template:
    return {
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {
            "ManagedPolicyName": managed.name,
            "Description": managed.description,
            "PolicyDocument": policy(list(managed.statements)),
        },
    }


def _role(
    role: RoleGrants, names: UniqueNames, names_by_arn: dict[str, str], selection: Selection, environment: str
) -> Template:
    name = names.of(role.arn.resource_name)
    inline = {"PolicyName": f"dsops-{environment}", "PolicyDocument": policy(list(role.permissions))}
    has_inline = selection.has_permissions and bool(role.permissions)
    if not selection.has_trust:
        if not has_inline:
            return {}
        return {name: {"Type": "AWS::IAM::RolePolicy", "Properties": {"RoleName": role.arn.resource_name, **inline}}}
    properties: Template = {
        "RoleName": role.arn.resource_name,
        "Path": role.path,
        "MaxSessionDuration": role.max_session_duration,
        "AssumeRolePolicyDocument": policy(list(role.trust)),
    }
    if has_inline:
        properties["Policies"] = [inline]
    resource: Template = {"Type": "AWS::IAM::Role", "Properties": properties}
    # IAM refuses a trust policy that names a role which does not exist yet, so the other role comes first.
    needed = [
        other
        for arn, other in names_by_arn.items()
        if any(statement["Principal"] == {"AWS": arn} for statement in role.trust)
    ]
    if needed:
        resource["DependsOn"] = needed
    names_by_arn[str(role.arn)] = name
    return {name: resource}


def _base(base: BaseGrants, environment: str) -> Template:
    description = f"What dsops needs for {environment}: attach it to the owner of these credentials"
    return _managed(ManagedPolicy(f"dsops-{environment}-{base.who}", description, base.permissions))


def _parameter_template(blank_value: Placeholder) -> Template:
    parameter: Template = {"Type": "String", "Description": blank_value.meaning, "MinLength": 1}
    return {**parameter, "NoEcho": True} if blank_value.is_secret else parameter


def _referring(value: object, parameters: Mapping[Placeholder, str]) -> object:
    """Replace each placeholder by a reference to its parameter."""
    if isinstance(value, Placeholder):
        return {"Ref": parameters[value]}
    if isinstance(value, Mapping):
        return {key: _referring(item, parameters) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_referring(item, parameters) for item in value]
    return value
