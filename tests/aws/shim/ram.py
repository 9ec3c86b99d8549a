"""AWS Resource Access Manager, as far as sharing rules needs it, seen by the owner. What consumers in other accounts
see isn't here. REST with JSON: each operation has a path.
"""

import re
import time
import uuid

from .errors import AwsError
from .world import ACCOUNT

# AWS RAM API Reference: principals are accounts, organizations and their units, roles and users.
PRINCIPAL = r"\d{12}|arn:aws:organizations::\d{12}:(organization|ou)/.+|arn:aws:iam::\d{12}:(role|user)/.+"
ARN = r"arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:\d{12}:.+"


def once(world, name, arguments, do):
    """AWS RAM API Reference, clientToken: the same request again gives the same answer; with other parameters it is
    refused. A missing token is made up by AWS."""
    given = {each: value for each, value in arguments.items() if each != "clientToken"}
    token = arguments.get("clientToken") or str(uuid.uuid4())
    key = ("ram", name, token)
    if key not in world.tokens:
        world.tokens[key] = (given, do(world, given))
    before, answer = world.tokens[key]
    if before != given:
        raise AwsError("IdempotentParameterMismatchException", "The client token was used with other parameters")
    return {**answer, "clientToken": token}


def create(world, arguments):
    if not arguments.get("name"):
        raise AwsError("MissingRequiredParameterException", "name is required")
    check_parts(world, arguments)
    arn = f"arn:aws:ram:{world.region}:{ACCOUNT}:resource-share/{uuid.uuid4()}"
    share = {
        "resourceShareArn": arn,
        "name": arguments["name"],
        "owningAccountId": ACCOUNT,
        "allowExternalPrincipals": arguments.get("allowExternalPrincipals", True),
        "status": "ACTIVE",
        "tags": list(arguments.get("tags") or []),
        "creationTime": time.time(),
        "lastUpdatedTime": time.time(),
        "featureSet": "STANDARD",
    }
    world.shares[arn] = share
    add_parts(world, share, arguments)
    return {"resourceShare": dict(share)}


def check_parts(world, arguments):
    for arn in arguments.get("resourceArns") or []:
        if not re.fullmatch(ARN, arn):
            raise AwsError("MalformedArnException", f"The ARN {arn} is malformed")
        if ":resolver-rule/" in arn and arn not in (each["Arn"] for each in world.rules.values()):
            raise AwsError("UnknownResourceException", f"The resource {arn} could not be found")
    for principal in arguments.get("principals") or []:
        if not re.fullmatch(PRINCIPAL, principal):
            raise AwsError("InvalidParameterException", f"Principal ID {principal} is malformed")


def parts_of(arguments):
    parts = [("RESOURCE", arn) for arn in arguments.get("resourceArns") or []]
    return parts + [("PRINCIPAL", principal) for principal in arguments.get("principals") or []]


def add_parts(world, share, arguments):
    made = []
    for kind, entity in parts_of(arguments):
        key = f"{share['resourceShareArn']} {entity}"
        known = world.share_associations.get(key)
        if known is None or known["status"] not in ("ASSOCIATING", "ASSOCIATED"):
            known = new_part(world, share, kind, entity, key)
        made.append(dict(known))
    return made


def new_part(world, share, kind, entity, key):
    part = {
        "resourceShareArn": share["resourceShareArn"],
        "resourceShareName": share["name"],
        "associatedEntity": entity,
        "associationType": kind,
        "status": "ASSOCIATING",
        "creationTime": time.time(),
        "lastUpdatedTime": time.time(),
        "external": kind == "PRINCIPAL" and entity.isdigit(),
    }
    world.pace.forget(key)
    world.share_associations[key] = part
    world.pace.later(key, lambda: part.update(status="ASSOCIATED", lastUpdatedTime=time.time()))
    return part


def find(world, arn):
    if arn not in world.shares:
        raise AwsError("UnknownResourceException", f"ResourceShare {arn} could not be found.")
    return world.shares[arn]


def active(world, arn):
    share = find(world, arn)
    if share["status"] != "ACTIVE":
        raise AwsError("InvalidStateTransitionException", f"ResourceShare {arn} is {share['status']}")
    return share


def associate(world, arguments):
    share = active(world, arguments["resourceShareArn"])
    check_parts(world, arguments)
    return {"resourceShareAssociations": add_parts(world, share, arguments)}


def disassociate(world, arguments):
    share = active(world, arguments["resourceShareArn"])
    ended = []
    for _, entity in parts_of(arguments):
        part = world.share_associations.get(f"{share['resourceShareArn']} {entity}")
        if part is None or part["status"] == "DISASSOCIATED":
            raise AwsError("UnknownResourceException", f"{entity} is no part of the share")
        ended.append(end_part(world, part))
    return {"resourceShareAssociations": ended}


def end_part(world, part):
    key = f"{part['resourceShareArn']} {part['associatedEntity']}"
    part.update(status="DISASSOCIATING", lastUpdatedTime=time.time())
    world.pace.forget(key)
    # AWS RAM User Guide: what was disassociated is still listed for a while.
    world.pace.later(key, lambda: part.update(status="DISASSOCIATED", lastUpdatedTime=time.time()))
    return dict(part)


def delete(world, arguments):
    share = find(world, arguments["resourceShareArn"])
    if share["status"] == "ACTIVE":
        for part in world.share_associations.values():
            if part["resourceShareArn"] == share["resourceShareArn"] and part["status"] != "DISASSOCIATED":
                end_part(world, part)
        share.update(status="DELETING", lastUpdatedTime=time.time())
        # AWS RAM User Guide: a deleted share is still listed for a while, as DELETED.
        world.pace.later(share["resourceShareArn"], lambda: share.update(status="DELETED"))
    return {"returnValue": True}


def own(arguments, items):
    """Shares of other accounts: none."""
    if arguments.get("resourceOwner") not in ("SELF", "OTHER-ACCOUNTS"):
        raise AwsError("InvalidParameterException", "resourceOwner is SELF or OTHER-ACCOUNTS")
    return items if arguments["resourceOwner"] == "SELF" else []


def page(key, items, arguments):
    token = arguments.get("nextToken") or "0"
    if not token.isdigit():
        raise AwsError("InvalidNextTokenException", "The token is invalid")
    start, count = int(token), arguments.get("maxResults") or 500
    answer = {key: items[start:start + count]}
    if start + count < len(items):
        answer["nextToken"] = str(start + count)
    return answer


def list_shares(world, arguments):
    chosen = arguments.get("resourceShareArns")
    shares = [find(world, arn) for arn in chosen] if chosen else list(world.shares.values())
    for name, member in (("resourceShareStatus", "status"), ("name", "name")):
        shares = [each for each in shares if arguments.get(name) in (None, each[member])]
    for wanted in arguments.get("tagFilters") or []:
        shares = [each for each in shares if has_tag(each, wanted)]
    answer = page("resourceShares", [dict(each) for each in own(arguments, shares)], arguments)
    world.pace.looked_at({each["resourceShareArn"] for each in answer["resourceShares"]})
    return answer


def has_tag(share, wanted):
    values = wanted.get("tagValues")
    return any(tag["key"] == wanted["tagKey"] and (not values or tag["value"] in values) for tag in share["tags"])


def list_associations(world, arguments):
    chosen = arguments.get("resourceShareArns")
    for arn in chosen or []:
        find(world, arn)
    parts = [each for each in world.share_associations.values()
             if each["associationType"] == arguments.get("associationType")
             and (not chosen or each["resourceShareArn"] in chosen)]
    for name, member in (("associationStatus", "status"), ("resourceArn", "associatedEntity"),
                         ("principal", "associatedEntity")):
        parts = [each for each in parts if arguments.get(name) in (None, each[member])]
    answer = page("resourceShareAssociations", [dict(each) for each in parts], arguments)
    told = {f"{each['resourceShareArn']} {each['associatedEntity']}" for each in answer["resourceShareAssociations"]}
    world.pace.looked_at(told)
    return answer


def parts_told(world, arguments, kind):
    chosen = arguments.get("resourceShareArns")
    return [each for each in own(arguments, list(world.share_associations.values()))
            if each["associationType"] == kind and each["status"] == "ASSOCIATED"
            and (not chosen or each["resourceShareArn"] in chosen)]


def list_resources(world, arguments):
    resources = [{"arn": each["associatedEntity"], "type": kind_of(each["associatedEntity"]),
                  "resourceShareArn": each["resourceShareArn"], "status": "AVAILABLE",
                  "creationTime": each["creationTime"], "lastUpdatedTime": each["lastUpdatedTime"],
                  "resourceRegionScope": "REGIONAL"} for each in parts_told(world, arguments, "RESOURCE")]
    wanted, arns = arguments.get("resourceType"), arguments.get("resourceArns")
    resources = [each for each in resources if wanted in (None, each["type"]) and (not arns or each["arn"] in arns)]
    return page("resources", resources, arguments)


def kind_of(arn):
    """AWS RAM User Guide, shareable resources."""
    kinds = {"resolver-rule": "route53resolver:ResolverRule",
             "resolver-query-log-config": "route53resolver:ResolverQueryLogConfig"}
    return kinds.get(arn.split(":", 5)[5].split("/")[0], "other")


def list_principals(world, arguments):
    principals = [{"id": each["associatedEntity"], "resourceShareArn": each["resourceShareArn"],
                   "creationTime": each["creationTime"], "lastUpdatedTime": each["lastUpdatedTime"],
                   "external": each["external"]} for each in parts_told(world, arguments, "PRINCIPAL")]
    wanted = arguments.get("principals")
    return page("principals", [each for each in principals if not wanted or each["id"] in wanted], arguments)


def tag(world, arguments):
    share = find(world, arguments.get("resourceShareArn") or arguments.get("resourceArn"))
    tags = {each["key"]: each["value"] for each in share["tags"] + arguments["tags"]}
    share["tags"] = [{"key": key, "value": value} for key, value in tags.items()]
    return {}


def untag(world, arguments):
    share = find(world, arguments.get("resourceShareArn") or arguments.get("resourceArn"))
    share["tags"] = [each for each in share["tags"] if each["key"] not in arguments["tagKeys"]]
    return {}


OPERATIONS = {
    "CreateResourceShare": lambda world, given: once(world, "CreateResourceShare", given, create),
    "AssociateResourceShare": lambda world, given: once(world, "AssociateResourceShare", given, associate),
    "DisassociateResourceShare": lambda world, given: once(world, "DisassociateResourceShare", given, disassociate),
    "DeleteResourceShare": lambda world, given: once(world, "DeleteResourceShare", given, delete),
    "GetResourceShares": list_shares,
    "GetResourceShareAssociations": list_associations,
    "ListResources": list_resources,
    "ListPrincipals": list_principals,
    "TagResource": tag,
    "UntagResource": untag,
}
PATHS = {name.lower(): name for name in OPERATIONS}
