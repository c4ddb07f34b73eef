"""Read the parameters of requests that create or change a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from dsops.document.template_functions import UNKNOWN
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudformation.handler import Perform, invalid
from dsops.sandbox.cloudformation.resource_types import check_capabilities, check_supported
from dsops.sandbox.cloudformation.stacks import DeployedStack, StackTable
from dsops.sandbox.cloudformation.template import StackTemplate, Surroundings, read_template

_MOST_BYTES: Final = 1_000_000
"""The longest template that CloudFormation reads from S3."""
_LONGEST_BODY: Final = 51_200
"""The longest template in a request."""
_LONGEST_VALUE: Final = 4096
"""The longest value of a parameter."""


class Deploy(NamedTuple):
    """A template that is ready to be deployed, and its text."""

    template: StackTemplate
    text: str


def read_deploy(turn: AuthenticatedRequest, stack: DeployedStack, perform: Perform, stacks: StackTable) -> Deploy:
    """Read the template and parameters of a request. Raises SandboxRefusal if the sandbox can't deploy it.

    `perform` makes the calls that read the template, and parameters in Parameter Store.
    """
    wish = turn.parameters
    text = _template_text(wish, stack, perform)
    content = read_template(text)
    earlier = {} if stack.template is None else stack.template.parameters
    given: dict[str, str] = {}
    for parameter in _list(wish.get("Parameters")):
        name = str(parameter.get("ParameterKey", ""))
        value = str(parameter.get("ParameterValue", ""))
        given[name] = earlier.get(name, "") if parameter.get("UsePreviousValue") else value
        if len(given[name]) > _LONGEST_VALUE:
            raise invalid(f"Parameter '{name}' must not be longer than {_LONGEST_VALUE} characters")
    template = StackTemplate(content, given, _surroundings(stack, perform, stacks))
    check_supported(template.resources)
    check_capabilities(template.resources, wish.get("Capabilities"))
    template.order()
    return Deploy(template, text)


def read_tags(turn: AuthenticatedRequest) -> dict[str, str]:
    """Return the tags that the request sets for the stack."""
    return {str(tag.get("Key")): str(tag.get("Value", "")) for tag in _list(turn.parameters.get("Tags"))}


def _list(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _surroundings(stack: DeployedStack, perform: Perform, stacks: StackTable) -> Surroundings:
    place = stack.place
    pseudo = {
        "AWS::AccountId": place.account,
        "AWS::Region": place.region,
        "AWS::Partition": place.partition,
        "AWS::StackId": stack.arn,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com.cn" if place.partition == "aws-cn" else "amazonaws.com",
    }

    def imported(name: str) -> object:
        value = stacks.export(name, place.account, place.region)
        return UNKNOWN if value is None else value

    return Surroundings(pseudo, imported, _reader(perform))


def _reader(perform: Perform) -> Callable[[str], str]:
    def read_parameter(name: str) -> str:
        found = perform("ssm", "GetParameters", {"Names": [name]})["Parameters"]
        if not found:
            raise invalid(f"Unable to fetch parameters [{name}] from parameter store for this account.")
        if found[0].get("Type") == "SecureString":  # its value would be shown by whatever refers to the parameter
            raise invalid(
                f"Parameters [{name}] referenced by template have types not supported by CloudFormation: SecureString"
            )
        return str(found[0]["Value"])

    return read_parameter


# Any: the parameters of several operations
def _template_text(wish: Any, stack: DeployedStack, perform: Perform) -> str:
    if wish.get("TemplateBody"):
        text = str(wish["TemplateBody"])
        if len(text.encode("utf-8", "replace")) > _LONGEST_BODY:
            raise invalid(f"Template may not exceed {_LONGEST_BODY} bytes in size. Store a longer one in S3.")
        return text
    if wish.get("UsePreviousTemplate"):
        return stack.text
    if not wish.get("TemplateURL"):
        raise invalid("Either Template URL or Template Body must be specified.")
    bucket, key = _object_at(str(wish["TemplateURL"]))
    body = perform("s3", "GetObject", {"Bucket": bucket, "Key": key})["Body"]
    if len(body) > _MOST_BYTES:
        raise invalid(f"Template may not exceed {_MOST_BYTES} bytes in size.")
    try:
        return bytes(body).decode()
    except UnicodeDecodeError as error:
        raise invalid("Template format error: the template is not UTF-8.") from error


def _object_at(url: str) -> tuple[str, str]:
    """Return the bucket and key of an S3 URL in path style or with the bucket in the host. Raises ValidationError."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise invalid("TemplateURL must be a supported URL.") from error
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    bucket, dot, _ = host.partition(".s3")
    if not dot or host.startswith("s3"):
        bucket, _, path = path.partition("/")
    if not bucket or not path:
        raise invalid("TemplateURL must be a supported URL.")
    return bucket, path
