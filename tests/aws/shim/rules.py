"""Resolver rules and the VPCs they are associated with, AWS's own rule for all else among them."""

import ipaddress
import re

from .endpoints import find as find_endpoint
from .errors import AwsError, exists, invalid, invalid_parameter, limit, not_found
from .paging import filtered, page
from .world import ACCOUNT, fresh, now, shown

KIND = "resolver-rule"
# AWS CLI examples of list-resolver-rules and list-resolver-rule-associations: AWS's rule for what no other takes.
INTERNET = {
    "Id": "rslvr-autodefined-rr-internet-resolver",
    "CreatorRequestId": "",
    "DomainName": ".",
    "Status": "COMPLETE",
    "RuleType": "RECURSIVE",
    "Name": "Internet Resolver",
    "OwnerId": "Route 53 Resolver",
    "ShareStatus": "NOT_SHARED",
}


def create(world, arguments):
    if any(each["CreatorRequestId"] == arguments["CreatorRequestId"] for each in world.rules.values()):
        request = arguments["CreatorRequestId"]
        raise exists(KIND, f"Resolver rule with creator request ID '{request}' already exists")
    if len(world.rules) >= world.quotas["rules"]:
        raise limit("max-rules", world.quotas["rules"])
    check_kind(arguments)
    endpoint = outbound(world, arguments.get("ResolverEndpointId"))
    targets = arguments.get("TargetIps")
    identity = fresh("rslvr-rr")
    rule = {
        "Id": identity,
        "CreatorRequestId": arguments["CreatorRequestId"],
        "Arn": world.arn(KIND, identity),
        "DomainName": with_dot(arguments["DomainName"]) if arguments.get("DomainName") else None,
        "DelegationRecord": with_dot(arguments["DelegationRecord"]) if arguments.get("DelegationRecord") else None,
        "Status": "COMPLETE",
        "StatusMessage": "[Trace id: 1-0] Successfully created Resolver Rule.",
        "RuleType": arguments["RuleType"],
        "Name": arguments.get("Name"),
        "TargetIps": settle_targets(world, endpoint, targets) if targets else None,
        "ResolverEndpointId": arguments.get("ResolverEndpointId"),
        "OwnerId": ACCOUNT,
        "CreationTime": now(),
        "ModificationTime": now(),
    }
    world.rules[identity] = rule
    world.tags[rule["Arn"]] = list(arguments.get("Tags") or [])
    return {"ResolverRule": show(world, rule)}


def check_kind(arguments):
    """Resolver API model, CreateResolverRule: what each type of rule needs and mustn't have."""
    kind = arguments["RuleType"]
    has = {name: arguments.get(name) is not None
           for name in ("DomainName", "TargetIps", "ResolverEndpointId", "DelegationRecord")}
    if kind == "RECURSIVE":
        # terraform-provider-aws PR 27487.
        raise invalid("[RSLVR-00718] Cannot create a rule with type RECURSIVE")
    if kind == "SYSTEM" and (has["TargetIps"] or has["ResolverEndpointId"]):
        # The words are AWS's, as moto carries them.
        raise invalid("Cannot specify resolver endpoint ID and target IP for SYSTEM type resolver rule")
    if kind == "DELEGATE":
        if has["TargetIps"]:
            raise invalid("Delegate resolver rules need to specify a nameserver name")
        # Our assumption: a domain name is refused. The API model says that it isn't needed.
        if has["DomainName"] or not has["DelegationRecord"] or not has["ResolverEndpointId"]:
            raise invalid("Delegate resolver rules need a delegation record and an endpoint, and no domain name")
    elif not has["DomainName"] or has["DelegationRecord"]:
        raise invalid_parameter("DomainName", f"{kind} resolver rules need a domain name and no delegation record")
    if kind == "FORWARD" and not (has["TargetIps"] and has["ResolverEndpointId"]):
        raise invalid_parameter("TargetIps", "FORWARD resolver rules need target IPs and a resolver endpoint")


def with_dot(name):
    """Route 53 Developer Guide: names end with a dot, the root is `.` alone. Case stays (our assumption)."""
    bare = name[:-1] if name.endswith(".") else name
    label = r"[A-Za-z0-9_*]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    if name != "." and (len(bare) > 253 or not re.fullmatch(rf"{label}(\.{label})*", bare)):
        # terraform-provider-aws PR 7799: `..` is refused so.
        raise invalid(f"[RSLVR-00711] Invalid domain name: '{name}'")
    return bare + "."


def outbound(world, identity):
    """The endpoint of a rule."""
    if identity is None:
        return None
    endpoint = find_endpoint(world, identity)
    if endpoint["Direction"] != "OUTBOUND":
        # LocalStack's resolver provider.
        raise invalid("[RSLVR-00700] Resolver rules can only be associated to OUTBOUND resolver endpoints.")
    if endpoint["_deleting"]:
        raise AwsError("ResourceUnavailableException", f"Resolver endpoint '{identity}' is being deleted",
                       ResourceType="resolver-endpoint")  # Resolver API model; when is our assumption.
    return endpoint


def settle_targets(world, endpoint, targets):
    if len(targets) > world.quotas["targets_per_rule"]:
        raise limit("max-ip-addresses-per-rule", world.quotas["targets_per_rule"])
    settled = [settle_target(endpoint["Protocols"], target) for target in targets]
    if len({"Ip" in target for target in settled}) > 1:
        # Resolver API model, TargetAddress: IPv4 and IPv6 aren't mixed in one rule.
        raise invalid_parameter("TargetIps", "IPv4 and IPv6 addresses can't be mixed in one rule")
    return settled


def settle_target(protocols, target):
    target = {name: value for name, value in target.items() if value is not None}
    given = [name for name in ("Ip", "Ipv6") if name in target]
    if len(given) != 1 or not is_address(target[given[0]], 4 if given == ["Ip"] else 6):
        raise invalid_parameter("TargetIps", "A target has one valid IPv4 or IPv6 address")
    if "Protocol" not in target and len(protocols) > 1:
        # terraform-provider-aws issue 35733.
        raise invalid("[RSLVR-00726] Endpoint has more than 1 protocol. Add one of the endpoint protocol for rule "
                      "creation")
    target.setdefault("Protocol", protocols[0])
    if target["Protocol"] not in protocols:
        raise invalid_parameter("Protocol", f"The endpoint doesn't speak {target['Protocol']}")  # Our assumption.
    if target.get("ServerNameIndication") and target["Protocol"] == "Do53":
        # Resolver API model: for DoH only.
        raise invalid_parameter("ServerNameIndication", "A server name can be given for DoH only")
    # Resolver API model, TargetAddress: the port is 53 unless given.
    target.setdefault("Port", 53)
    return target


def is_address(text, version):
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def show(world, rule):
    if rule is INTERNET:
        # AWS CLI examples of list-resolver-rules.
        return {**rule, "Arn": f"arn:aws:route53resolver:{world.region}::autodefined-rule/{rule['Id']}"}
    return {**shown(rule), "ShareStatus": share_status(world, rule)}


def share_status(world, rule):
    """Route 53 Developer Guide, sharing rules: known from the shares of RAM."""
    parts = [each for each in world.share_associations.values() if each["status"] == "ASSOCIATED"]
    shares = {each["resourceShareArn"] for each in parts if each["associatedEntity"] == rule["Arn"]}
    shared = any(each["resourceShareArn"] in shares and each["associationType"] == "PRINCIPAL" for each in parts)
    return "SHARED_BY_ME" if shared else "NOT_SHARED"


def find(world, identity):
    if identity == INTERNET["Id"]:
        return INTERNET
    if identity not in world.rules:
        raise AwsError("ResourceNotFoundException", f"[RSLVR-00703] Resolver rule with ID '{identity}' does not exist.",
                       ResourceType=KIND)
    return world.rules[identity]


def get(world, arguments):
    rule = find(world, arguments["ResolverRuleId"])
    answer = {"ResolverRule": show(world, rule)}
    world.pace.looked_at({rule["Id"]})
    return answer


def list_all(world, arguments):
    told = [show(world, each) for each in [INTERNET, *world.rules.values()]]
    answer = page(world, "ResolverRules", filtered("ResolverRules", told, arguments.get("Filters")), arguments)
    world.pace.looked_at({each["Id"] for each in answer["ResolverRules"]})
    return {**answer, "MaxResults": arguments.get("MaxResults") or 100}


def own(world, identity, doing):
    rule = find(world, identity)
    if rule is INTERNET:
        # Route 53 Developer Guide: autodefined rules can't be changed or deleted. Words: our assumption.
        raise invalid(f"Cannot {doing} Auto Defined Rule")
    return rule


def update(world, arguments):
    """Resolver API model, ResolverRuleConfig: what is left out stays, TargetIps are replaced as a whole."""
    rule = own(world, arguments["ResolverRuleId"], "update")
    config = arguments["Config"]
    if rule["Status"] != "COMPLETE":
        # cdk-real-drift issues 467 and 474.
        raise invalid("[RSLVR-00705] Cannot update Resolver Rule because it's currently updating")
    if rule["RuleType"] == "SYSTEM" and (config.get("TargetIps") or config.get("ResolverEndpointId")):
        raise invalid("Cannot specify resolver endpoint ID and target IP for SYSTEM type resolver rule")
    if rule["RuleType"] == "DELEGATE" and config.get("TargetIps"):
        raise invalid("Delegate resolver rules need to specify a nameserver name")
    endpoint = outbound(world, config.get("ResolverEndpointId") or rule["ResolverEndpointId"])
    targets = config.get("TargetIps") or rule["TargetIps"]
    # The new targets are checked before anything is changed.
    settled = settle_targets(world, endpoint, targets) if targets else None
    for name in ("Name", "ResolverEndpointId"):
        rule[name] = config.get(name) or rule[name]
    rule["TargetIps"] = settled
    rule["Status"], rule["ModificationTime"] = "UPDATING", now()
    rule["StatusMessage"] = "[Trace id: 1-0] Updating the Resolver Rule."
    world.pace.later(rule["Id"], lambda: rule.update(Status="COMPLETE", StatusMessage="[Trace id: 1-0] Successfully "
                                                     "updated Resolver Rule."))
    return {"ResolverRule": show(world, rule)}


def delete(world, arguments):
    rule = own(world, arguments["ResolverRuleId"], "delete")
    if any(each["ResolverRuleId"] == rule["Id"] for each in world.rule_associations.values()):
        raise AwsError("ResourceInUseException", "Please disassociate this resolver rule from VPC first before "
                       "deleting", ResourceType=KIND)
    if rule["Status"] != "DELETING":
        rule["Status"] = "DELETING"
        world.pace.forget(rule["Id"])
        world.pace.later(rule["Id"], lambda: vanish(world, rule))
    return {"ResolverRule": show(world, rule)}


def vanish(world, rule):
    world.tags.pop(rule["Arn"], None)
    world.rules.pop(rule["Id"], None)


def associate(world, arguments):
    rule, vpc = own(world, arguments["ResolverRuleId"], "associate"), arguments["VPCId"]
    if world.network.vpc(vpc) is None:
        raise not_found("vpc", vpc)
    if rule["Status"] == "DELETING":
        raise AwsError("ResourceUnavailableException", f"Resolver rule '{rule['Id']}' is being deleted",
                       ResourceType=KIND)  # Our assumption.
    if len(world.rule_associations) >= world.quotas["rule_associations"]:
        raise limit("max-rule-associations", world.quotas["rule_associations"])
    refuse_same_domain(world, rule, vpc)
    refuse_loop(world, rule, vpc)
    identity = fresh("rslvr-rrassoc")
    association = {"Id": identity, "ResolverRuleId": rule["Id"], "Name": arguments.get("Name"), "VPCId": vpc,
                   "Status": "CREATING", "StatusMessage": "[Trace id: 1-0] Creating the association."}
    world.rule_associations[identity] = association
    world.pace.later(identity, lambda: association.update(Status="COMPLETE", StatusMessage=""))
    return {"ResolverRuleAssociation": shown(association)}


def refuse_same_domain(world, rule, vpc):
    """Route 53 Developer Guide, and the words of AWS: one rule for a name in each VPC. An association that is being
    deleted still counts (our assumption)."""
    for each in world.rule_associations.values():
        other = world.rules[each["ResolverRuleId"]]
        if each["VPCId"] != vpc:
            continue
        if other is rule:
            raise exists("resolver-rule-association", f"[RSLVR-00704] Resolver rule '{rule['Id']}' is already "
                         f"associated with VPC '{vpc}'")
        if (domain := rule["DomainName"]) and domain.lower() == (other["DomainName"] or "").lower():
            raise invalid("Cannot associate rules with same domain name with same VPC. Conflict with resolver rule "
                          f"'{other['Id']}'")


def refuse_loop(world, rule, vpc):
    """aws-samples/aws-network-hub-for-terraform PR 26; Route 53 Developer Guide, best practices."""
    targets = {target.get("Ip") or target.get("Ipv6") for target in rule["TargetIps"] or []}
    for endpoint in world.endpoints.values():
        addresses = endpoint["_addresses"].values()
        inside = {each["Ip"] for each in addresses} | {each["Ipv6"] for each in addresses}
        if endpoint["HostVPCId"] == vpc and endpoint["Direction"] == "INBOUND" and targets & inside:
            raise invalid(f"[RSLVR-00804] Cannot associate rule {rule['Id']} to VPC {vpc} because the VPC include an "
                          "INBOUND resolver endpoints with rule's target IP")


def disassociate(world, arguments):
    if arguments["ResolverRuleId"] == INTERNET["Id"]:
        raise invalid("[RSLVR-00713] Cannot disassociate a rule with type RECURSIVE")
    rule = find(world, arguments["ResolverRuleId"])
    for association in world.rule_associations.values():
        if association["ResolverRuleId"] == rule["Id"] and association["VPCId"] == arguments["VPCId"]:
            return {"ResolverRuleAssociation": end(world, association)}
    raise not_found("resolver-rule-association", f"{rule['Id']} of {arguments['VPCId']}")


def end(world, association):
    if association["Status"] != "DELETING":
        association.update(Status="DELETING", StatusMessage="[Trace id: 1-0] Deleting the association.")
        world.pace.forget(association["Id"])
        world.pace.later(association["Id"], lambda: world.rule_associations.pop(association["Id"], None))
    return shown(association)


def autodefined_associations(world):
    """AWS CLI examples of list-resolver-rule-associations: each VPC has one."""
    return [{"Id": f"rslvr-autodefined-assoc-{vpc}-internet-resolver", "ResolverRuleId": INTERNET["Id"],
             "Name": "System Rule Association", "VPCId": vpc, "Status": "COMPLETE", "StatusMessage": ""}
            for vpc in world.network.backend.vpcs]


def all_associations(world):
    return autodefined_associations(world) + [shown(each) for each in world.rule_associations.values()]


def get_association(world, arguments):
    identity = arguments["ResolverRuleAssociationId"]
    for association in all_associations(world):
        if association["Id"] == identity:
            world.pace.looked_at({identity})
            return {"ResolverRuleAssociation": association}
    raise not_found("resolver-rule-association", identity)


def list_associations(world, arguments):
    key = "ResolverRuleAssociations"
    answer = page(world, key, filtered(key, all_associations(world), arguments.get("Filters")), arguments)
    world.pace.looked_at({each["Id"] for each in answer[key]})
    return {**answer, "MaxResults": arguments.get("MaxResults") or 100}


OPERATIONS = {
    "CreateResolverRule": create,
    "GetResolverRule": get,
    "ListResolverRules": list_all,
    "UpdateResolverRule": update,
    "DeleteResolverRule": delete,
    "AssociateResolverRule": associate,
    "DisassociateResolverRule": disassociate,
    "GetResolverRuleAssociation": get_association,
    "ListResolverRuleAssociations": list_associations,
}
