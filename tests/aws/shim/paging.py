"""Lists: filters, and pages by NextToken."""

import random

from .errors import AwsError, invalid_parameter


def page(world, key, items, arguments, largest=100):
    """A page of the items. Resolver API model: MaxResults is 100 unless given."""
    start, count = place(key, arguments.get("NextToken")), arguments.get("MaxResults") or largest
    answer = {key: items[start:start + count]}
    if start + count < len(items):
        answer["NextToken"] = f"{key}:{start + count}"
    return answer


def place(key, token):
    if token is None:
        return 0
    kind, _, number = token.rpartition(":")
    if kind != key or not number.isdigit():
        raise AwsError("InvalidNextTokenException", "Invalid value passed for the NextToken parameter")
    return int(number)


def shuffled(items, seed):
    """cdk-real-drift issue 487: the order of an endpoint's addresses changes from one list to the next."""
    items = list(items)
    random.Random(seed).shuffle(items)
    return items


# Resolver API model, ListResolverEndpoints and the other lists: names of filters, in both spellings, and the member
# that each looks at.
FILTERS = {
    "ResolverEndpoints": ("CreatorRequestId", "Direction", "HostVPCId", "IpAddressCount", "Name",
                          "SecurityGroupIds", "Status"),
    "ResolverRules": ("CreatorRequestId", "DomainName", "Name", "ResolverEndpointId", "Status", "Type"),
    "ResolverRuleAssociations": ("Name", "ResolverRuleId", "Status", "VPCId"),
    "ResolverQueryLogConfigs": ("Arn", "AssociationCount", "CreationTime", "CreatorRequestId", "DestinationArn",
                                "Id", "Name", "OwnerId", "ShareStatus", "Status"),
    "ResolverQueryLogConfigAssociations": ("CreationTime", "Error", "Id", "ResolverQueryLogConfigId",
                                           "ResourceId", "Status"),
    "ResolverDnssecConfigs": (),
    "ResolverConfigs": (),
}
SPELT = {"Type": "RuleType"}


def fold(name):
    return name.replace("_", "").lower()


def filtered(key, items, filters):
    for wanted in filters or []:
        names = {fold(name): SPELT.get(name, name) for name in FILTERS[key]}
        member = names.get(fold(wanted.get("Name", "")))
        if member is None:
            raise invalid_parameter("Filters", f"The filter '{wanted.get('Name')}' is invalid")
        items = [item for item in items if matches(item.get(member), wanted.get("Values", []))]
    return items


def matches(value, wanted):
    values = value if isinstance(value, list) else [str(value)]
    return any(value in wanted for value in values)
