"""EC2's Client VPN, as far as DNS for its clients needs it. Endpoints and their target networks are seeded.

Members are those of the EC2 API Reference; the codes of refusals are in its list of error codes.
"""

import ipaddress

from .errors import AwsError
from .world import fresh, now, shown


def seed(world, wanted):
    """{"id", "vpc", "subnets": [id], "security_groups": [id], "client_cidr", "dns_servers": [ip], "split_tunnel"}"""
    subnets = [world.network.subnet(each) for each in wanted.get("subnets", [])]
    identity = wanted["id"]
    endpoint = {
        "ClientVpnEndpointId": identity,
        "Description": wanted.get("description", ""),
        "Status": {"Code": "available" if subnets else "pending-associate"},
        "CreationTime": now(),
        "DnsName": f"*.{identity}.prod.clientvpn.{world.region}.amazonaws.com",
        "ClientCidrBlock": wanted.get("client_cidr", "10.250.0.0/22"),
        "DnsServers": list(wanted.get("dns_servers", [])),
        "SplitTunnel": bool(wanted.get("split_tunnel", False)),
        "VpnProtocol": "openvpn", "TransportProtocol": "udp", "VpnPort": 443,
        "SecurityGroupIds": list(wanted.get("security_groups", [])),
        "VpcId": wanted["vpc"],
        "SessionTimeoutHours": 24,
        "Tags": wanted.get("tags", []),
        "_networks": [target_network(endpoint_id=identity, subnet=each, groups=wanted.get("security_groups", []))
                      for each in subnets],
        # AWS Client VPN Administrator Guide, routes: the VPC's own is there with the first target network.
        "_routes": [route(identity, world.network.vpc(each.vpc_id).cidr_block, each.id, "associate", "active")
                    for each in subnets],
        "_authorizations": [],
    }
    endpoint["AssociatedTargetNetworks"] = [{"NetworkId": each.id, "NetworkType": "vpc"} for each in subnets]
    world.vpns[identity] = endpoint
    return identity


def target_network(endpoint_id, subnet, groups):
    return {"AssociationId": fresh("cvpn-assoc"), "VpcId": subnet.vpc_id, "TargetNetworkId": subnet.id,
            "ClientVpnEndpointId": endpoint_id, "Status": {"Code": "associated"}, "SecurityGroups": list(groups)}


def route(endpoint_id, destination, subnet, origin, status, description=""):
    return {"ClientVpnEndpointId": endpoint_id, "DestinationCidr": destination, "TargetSubnet": subnet, "Type": "Nat",
            "Origin": origin, "Status": {"Code": status}, "Description": description, "_id": fresh("route")}


def find(world, identity):
    if identity not in world.vpns:
        raise AwsError("InvalidClientVpnEndpointId.NotFound", f"Endpoint {identity} does not exist")
    return world.vpns[identity]


def told(items, arguments, key, filters):
    """A page of what the filters leave. EC2 API Reference: each Describe has its own filters."""
    for each in arguments.get("Filters") or []:
        member = filters.get(each["Name"])
        if member is None:
            raise AwsError("InvalidParameterValue", f"The filter '{each['Name']}' is invalid")
        items = [item for item in items if item[member] in each["Values"]]
    start = page_start(arguments.get("NextToken"))
    count = int(arguments.get("MaxResults") or 1000)
    if not 5 <= count <= 1000:
        raise AwsError("InvalidMaxResults", "The maximum results must be between 5 and 1000")
    answer = {key: [shown(item) for item in items[start:start + count]]}
    if start + count < len(items):
        answer["NextToken"] = str(start + count)
    return answer


def page_start(token):
    if token is not None and not token.isdigit():
        raise AwsError("InvalidNextToken", "The token is invalid")
    return int(token or 0)


def describe_endpoints(world, arguments):
    chosen = arguments.get("ClientVpnEndpointIds")
    items = [find(world, each) for each in chosen] if chosen else list(world.vpns.values())
    filters = {"endpoint-id": "ClientVpnEndpointId", "transport-protocol": "TransportProtocol"}
    return told(items, arguments, "ClientVpnEndpoints", filters)


def modify(world, arguments):
    endpoint = find(world, arguments["ClientVpnEndpointId"])
    wanted = arguments.get("DnsServers")
    servers = (wanted or {}).get("CustomDnsServers") or []
    # EC2 API Reference: up to two, IPv4.
    if len(servers) > 2 or not all(is_ipv4(server) for server in servers):
        raise AwsError("InvalidParameterValue", "At most two IPv4 addresses can be DNS servers")
    if wanted:
        endpoint["DnsServers"] = servers if wanted.get("Enabled") is not False else []
    for name in ("Description", "SplitTunnel", "VpnPort", "SecurityGroupIds", "VpcId", "SessionTimeoutHours"):
        if arguments.get(name) is not None:
            endpoint[name] = arguments[name]
    return {"Return": True}


def is_ipv4(text):
    try:
        return ipaddress.ip_address(text).version == 4
    except ValueError:
        return False


def network_of(text):
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise AwsError("InvalidParameterValue", f"The CIDR '{text}' is invalid") from None


def describe_networks(world, arguments):
    items = find(world, arguments["ClientVpnEndpointId"])["_networks"]
    if arguments.get("AssociationIds"):
        items = [each for each in items if each["AssociationId"] in arguments["AssociationIds"]]
    filters = {"association-id": "AssociationId", "target-network-id": "TargetNetworkId", "vpc-id": "VpcId"}
    return told(items, arguments, "ClientVpnTargetNetworks", filters)


def looked(world, items):
    world.pace.looked_at({each["_id"] for each in items})


def describe_routes(world, arguments):
    items = find(world, arguments["ClientVpnEndpointId"])["_routes"]
    filters = {"destination-cidr": "DestinationCidr", "origin": "Origin", "target-subnet": "TargetSubnet"}
    answer = told(items, arguments, "Routes", filters)
    answer["Routes"] = [dict(each, Status=dict(each["Status"])) for each in answer["Routes"]]
    looked(world, list(items))
    return answer


def same_request(world, name, arguments, do):
    """EC2 API Reference, ensuring idempotency: the same token gives the same answer, other arguments are refused."""
    token = arguments.pop("ClientToken", None)
    key = ("ec2", name, token)
    if token and key in world.tokens:
        before, answer = world.tokens[key]
        if before != arguments:
            raise AwsError("IdempotentParameterMismatch", "The client token was used with other parameters")
        return answer
    answer = do(world, arguments)
    if token:
        world.tokens[key] = (dict(arguments), answer)
    return answer


def create_route(world, arguments):
    endpoint = find(world, arguments["ClientVpnEndpointId"])
    destination = network_of(arguments["DestinationCidrBlock"])
    subnet = arguments.get("TargetVpcSubnetId")
    if not endpoint["_networks"]:
        raise AwsError("InvalidClientVpnActiveAssociationNotFound", "The endpoint is in the pending-associate state")
    if subnet not in (each["TargetNetworkId"] for each in endpoint["_networks"]):
        raise AwsError("InvalidClientVpnSubnetId.NotFound", f"{subnet} is no target network of the endpoint")
    if any((each["DestinationCidr"], each["TargetSubnet"]) == (destination, subnet) for each in endpoint["_routes"]):
        raise AwsError("InvalidClientVpnDuplicateRoute", f"The route {destination} by {subnet} already exists")
    added = [each for each in endpoint["_routes"] if each["Origin"] == "add-route"]
    if len(added) >= world.quotas["vpn_routes"]:
        raise AwsError("ClientVpnRouteLimitExceeded", "The limit of routes is reached")
    made = route(endpoint["ClientVpnEndpointId"], destination, subnet, "add-route", "creating",
                 arguments.get("Description") or "")
    endpoint["_routes"].append(made)
    world.pace.later(made["_id"], lambda: made.update(Status={"Code": "active"}))
    return {"Status": {"Code": "creating"}}


def delete_route(world, arguments):
    endpoint = find(world, arguments["ClientVpnEndpointId"])
    wanted = (network_of(arguments["DestinationCidrBlock"]), arguments.get("TargetVpcSubnetId"))
    for each in endpoint["_routes"]:
        if (each["DestinationCidr"], each["TargetSubnet"]) == wanted:
            if each["Origin"] == "associate":
                # AWS Client VPN Administrator Guide: only routes that were added by hand can be deleted.
                raise AwsError("InvalidParameterValue", "A route that came with a target network can't be deleted")
            return vanishing(world, endpoint["_routes"], each, "deleting")
    raise AwsError("InvalidClientVpnRouteNotFound", f"The route {wanted[0]} by {wanted[1]} does not exist")


def vanishing(world, items, item, status):
    if item["Status"]["Code"] != status:
        item["Status"] = {"Code": status}
        world.pace.forget(item["_id"])
        world.pace.later(item["_id"], lambda: items.remove(item))
    return {"Status": {"Code": status}}


def describe_authorizations(world, arguments):
    items = find(world, arguments["ClientVpnEndpointId"])["_authorizations"]
    filters = {"description": "Description", "destination-cidr": "DestinationCidr", "group-id": "GroupId"}
    answer = told(items, arguments, "AuthorizationRules", filters)
    answer["AuthorizationRules"] = [dict(each, Status=dict(each["Status"])) for each in answer["AuthorizationRules"]]
    looked(world, list(items))
    return answer


def whom(arguments, all_groups):
    """EC2 API Reference: one group, or all of them; one has to be told."""
    group, everyone = arguments.get("AccessGroupId") or "", bool(arguments.get(all_groups))
    if bool(group) == everyone:
        raise AwsError("InvalidParameterCombination", f"Either AccessGroupId or {all_groups} is needed")
    return network_of(arguments["TargetNetworkCidr"]), group


def authorize(world, arguments):
    endpoint = find(world, arguments["ClientVpnEndpointId"])
    destination, group = whom(arguments, "AuthorizeAllGroups")
    items = endpoint["_authorizations"]
    if any((each["DestinationCidr"], each["GroupId"]) == (destination, group) for each in items):
        raise AwsError("InvalidClientVpnDuplicateAuthorizationRule", f"{destination} is already authorized")
    if len(items) >= world.quotas["vpn_authorizations"]:
        raise AwsError("ClientVpnAuthorizationRuleLimitExceeded", "The limit of authorization rules is reached")
    made = {"ClientVpnEndpointId": endpoint["ClientVpnEndpointId"], "Description": arguments.get("Description") or "",
            "GroupId": group, "AccessAll": not group, "DestinationCidr": destination,
            "Status": {"Code": "authorizing"}, "_id": fresh("authorization")}
    items.append(made)
    world.pace.later(made["_id"], lambda: made.update(Status={"Code": "active"}))
    return {"Status": {"Code": "authorizing"}}


def revoke(world, arguments):
    endpoint = find(world, arguments["ClientVpnEndpointId"])
    wanted = whom(arguments, "RevokeAllGroups")
    for each in endpoint["_authorizations"]:
        if (each["DestinationCidr"], each["GroupId"]) == wanted:
            return vanishing(world, endpoint["_authorizations"], each, "revoking")
    raise AwsError("InvalidClientVpnEndpointAuthorizationRuleNotFound", f"{wanted[0]} is not authorized")


def refuse_deletion(world, action, form):
    """EC2 API Reference, error codes: DependencyViolation, here for the interfaces of the target networks."""
    for endpoint in world.vpns.values():
        subnets = [each["TargetNetworkId"] for each in endpoint["_networks"]]
        if action == "DeleteSubnet" and form.get("SubnetId") in subnets:
            told = f"The subnet '{form['SubnetId']}' has dependencies and cannot be deleted."
            raise AwsError("DependencyViolation", told)
        if action == "DeleteSecurityGroup" and form.get("GroupId") in endpoint["SecurityGroupIds"]:
            raise AwsError("DependencyViolation", f"resource {form['GroupId']} has a dependent object")


OPERATIONS = {
    "DescribeClientVpnEndpoints": describe_endpoints,
    "ModifyClientVpnEndpoint": modify,
    "DescribeClientVpnTargetNetworks": describe_networks,
    "DescribeClientVpnRoutes": describe_routes,
    "CreateClientVpnRoute": lambda world, given: same_request(world, "CreateClientVpnRoute", given, create_route),
    "DeleteClientVpnRoute": delete_route,
    "DescribeClientVpnAuthorizationRules": describe_authorizations,
    "AuthorizeClientVpnIngress":
        lambda world, given: same_request(world, "AuthorizeClientVpnIngress", given, authorize),
    "RevokeClientVpnIngress": revoke,
}
