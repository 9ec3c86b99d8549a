"""Resolver endpoints and their addresses: created, changed and deleted by steps that take time."""

from .errors import exists, invalid, invalid_parameter, limit, not_found
from .paging import filtered, page, shuffled
from .world import fresh, now, shown

KIND = "resolver-endpoint"
# Resolver API model, CreateResolverEndpoint, Direction.
PREFIXES = {"INBOUND": "rslvr-in", "OUTBOUND": "rslvr-out", "INBOUND_DELEGATION": "rslvr-in"}
# Resolver API model, Protocols: "For a default inbound endpoint you can apply the protocols as follows …".
PROTOCOLS = {
    "INBOUND": ({"Do53"}, {"DoH"}, {"DoH-FIPS"}, {"Do53", "DoH"}, {"Do53", "DoH-FIPS"}),
    "OUTBOUND": ({"Do53"}, {"DoH"}, {"Do53", "DoH"}),
    "INBOUND_DELEGATION": ({"Do53"},),
}
# Resolver API model: which direction each flag is for.
FLAGS = {
    "RniEnhancedMetricsEnabled": ("INBOUND", "OUTBOUND", "INBOUND_DELEGATION"),
    "TargetNameServerMetricsEnabled": ("OUTBOUND",),
    "Dns64Enabled": ("INBOUND",),
    "Ipv6InternetAccessEnabled": ("OUTBOUND",),
}
PASSING = ("CREATING", "ATTACHING", "UPDATING", "DETACHING", "DELETING")


def create(world, arguments):
    refuse_known_request(world, arguments["CreatorRequestId"])
    if len(world.endpoints) >= world.quotas["endpoints"]:
        raise limit("max-endpoints", world.quotas["endpoints"])
    direction = arguments["Direction"]
    wanted = arguments["IpAddresses"]
    if len(wanted) > world.quotas["addresses_per_endpoint"]:
        raise limit("max-ip-addresses-per-endpoint", world.quotas["addresses_per_endpoint"])
    protocols = arguments.get("Protocols") or ["Do53"]
    check_protocols(direction, protocols)
    check_flags(direction, arguments)
    vpc = one_vpc(world, arguments["SecurityGroupIds"], [each["SubnetId"] for each in wanted])
    kind = arguments.get("ResolverEndpointType") or "IPV4"
    places = settle_addresses(world, kind, wanted)
    identity = fresh(PREFIXES[direction])
    endpoint = {
        "Id": identity,
        "CreatorRequestId": arguments["CreatorRequestId"],
        "Arn": world.arn(KIND, identity),
        "Name": arguments.get("Name"),
        "SecurityGroupIds": arguments["SecurityGroupIds"],
        "Direction": direction,
        "HostVPCId": vpc,
        "ResolverEndpointType": kind,
        "Protocols": protocols,
        "CreationTime": now(),
        "ModificationTime": now(),
        **{flag: bool(arguments.get(flag)) for flag in FLAGS},
        "_addresses": {}, "_operational_once": False, "_deleting": False, "_updating": False,
    }
    world.endpoints[identity] = endpoint
    world.tags[endpoint["Arn"]] = list(arguments.get("Tags") or [])
    for place in places:
        add_address(world, endpoint, place)
    return {"ResolverEndpoint": show(world, endpoint)}


def refuse_known_request(world, request):
    # aws-cdk issue 5012: a request that comes again is refused, whatever it says.
    if any(each["CreatorRequestId"] == request for each in world.endpoints.values()):
        raise exists(KIND, f"Resolver endpoint with creator request ID '{request}' already exists")


def check_protocols(direction, protocols):
    if set(protocols) not in PROTOCOLS[direction]:
        raise invalid_parameter("Protocols", f"The protocols {protocols} can't be applied to {direction} endpoints")


def check_flags(direction, arguments):
    """Our assumption: a flag of the other direction is refused. That it has no meaning there is in the API model."""
    for flag, directions in FLAGS.items():
        if arguments.get(flag) and direction not in directions:
            raise invalid_parameter(flag, f"{flag} can't be set on {direction} endpoints")


def one_vpc(world, groups, subnets):
    """Route 53 Developer Guide, values for endpoints: all subnets and security groups are of one VPC."""
    vpcs = {world.network.subnet(subnet).vpc_id for subnet in subnets}
    vpcs |= {world.network.security_group(group).vpc_id for group in groups}
    if len(vpcs) != 1:
        raise invalid("The subnets and the security groups must be of one VPC")  # Words: our assumption.
    return vpcs.pop()


def settle_addresses(world, kind, wanted):
    """Subnet and address of each, with those that AWS chooses chosen; given ones are refused when unfit."""
    pinned = {each["Ip"] for each in wanted if each.get("Ip")} | {each["Ipv6"] for each in wanted if each.get("Ipv6")}
    if len(pinned) < sum(bool(each.get("Ip")) + bool(each.get("Ipv6")) for each in wanted):
        raise invalid("The same IP address is given twice")  # Words: our assumption.
    places = []
    for each in wanted:
        subnet = world.network.subnet(each["SubnetId"])
        place = {"SubnetId": subnet.id, "Ip": each.get("Ip"), "Ipv6": each.get("Ipv6")}
        if kind == "IPV6" and place["Ip"] or kind == "IPV4" and place["Ipv6"]:
            raise invalid_parameter("IpAddresses", f"An address doesn't fit an endpoint of type {kind}")
        if place["Ip"]:
            world.network.check_address(subnet, place["Ip"])
        elif kind != "IPV6":
            place["Ip"] = world.network.free_address(subnet, pinned)
        if kind != "IPV4" and not place["Ipv6"]:
            place["Ipv6"] = world.network.free_ipv6(subnet, pinned | used_ipv6(world))
        pinned |= {place["Ip"], place["Ipv6"]} - {None}
        places.append(place)
    return places


def used_ipv6(world):
    addresses = [each for endpoint in world.endpoints.values() for each in endpoint["_addresses"].values()]
    return {each["Ipv6"] for each in addresses}


def add_address(world, endpoint, place):
    identity = fresh("rni")
    eni = world.network.plug(world.network.subnet(place["SubnetId"]), place["Ip"], endpoint["SecurityGroupIds"])
    address = {"IpId": identity, **place, "Status": "CREATING", "CreationTime": now(), "ModificationTime": now(),
               "_eni": eni}
    endpoint["_addresses"][identity] = address
    world.pace.later(identity, lambda: attach(world, endpoint, address, "ATTACHING"))


def attach(world, endpoint, address, status):
    address["Status"], address["ModificationTime"] = status, now()
    if status == "ATTACHING":
        world.pace.later(address["IpId"], lambda: attach(world, endpoint, address, "ATTACHED"))
    elif status_of(endpoint) == "OPERATIONAL":
        endpoint["_operational_once"] = True


def status_of(endpoint):
    """Route 53 Developer Guide, values that you see: OPERATIONAL when no address is on its way. That an endpoint
    waits for all of its addresses is our assumption."""
    if endpoint.get("_forced"):
        return endpoint["_forced"]
    if endpoint["_deleting"]:
        return "DELETING"
    passing = any(each["Status"] in PASSING for each in endpoint["_addresses"].values())
    if passing or endpoint["_updating"]:
        return "UPDATING" if endpoint["_operational_once"] else "CREATING"
    return "OPERATIONAL"


def show(world, endpoint):
    staying = [each for each in endpoint["_addresses"].values() if each["Status"] not in ("DETACHING", "DELETING")]
    status = status_of(endpoint)
    told = "This Resolver Endpoint is operational." if status == "OPERATIONAL" else f"[Trace id: 1-0] {status}"
    # Our assumption: an address that is being detached is counted no more.
    return {**shown(endpoint), "Status": status, "StatusMessage": told, "IpAddressCount": len(staying)}


def looked_at(world, endpoints):
    world.pace.looked_at({each["Id"] for each in endpoints} | {ip for each in endpoints for ip in each["_addresses"]})


def find(world, identity):
    if identity not in world.endpoints:
        raise not_found(KIND, identity)
    return world.endpoints[identity]


def find_to_change(world, identity):
    endpoint = find(world, identity)
    if endpoint["_deleting"]:
        raise invalid(f"Resolver endpoint '{identity}' is being deleted")  # Words: our assumption.
    return endpoint


def get(world, arguments):
    endpoint = find(world, arguments["ResolverEndpointId"])
    answer = {"ResolverEndpoint": show(world, endpoint)}
    looked_at(world, [endpoint])
    return answer


def list_all(world, arguments):
    told = filtered("ResolverEndpoints", [show(world, each) for each in world.endpoints.values()],
                    arguments.get("Filters"))
    answer = page(world, "ResolverEndpoints", told, arguments)
    looked_at(world, [world.endpoints[each["Id"]] for each in answer["ResolverEndpoints"]])
    return {**answer, "MaxResults": arguments.get("MaxResults") or 100}


def list_addresses(world, arguments):
    endpoint = find(world, arguments["ResolverEndpointId"])
    # All pages of one list are of one order: the seed changes with a list's first page only.
    if not arguments.get("NextToken"):
        endpoint["_order"] = endpoint.get("_order", 0) + 1
    told = shuffled([shown(each) for each in endpoint["_addresses"].values()], endpoint["_order"])
    answer = page(world, "IpAddresses", told, arguments)
    looked_at(world, [endpoint])
    return {**answer, "MaxResults": arguments.get("MaxResults") or 100}


def update(world, arguments):
    """Resolver API model, UpdateResolverEndpoint: what is left out stays."""
    endpoint = find_to_change(world, arguments["ResolverEndpointId"])
    check_flags(endpoint["Direction"], arguments)
    protocols = arguments.get("Protocols")
    if protocols:
        check_protocols(endpoint["Direction"], protocols)
        # Resolver API model: Do53 can't be changed to DoH directly, both have to be there in between.
        if not set(protocols) & set(endpoint["Protocols"]):
            raise invalid(f"The protocols can't be changed from {endpoint['Protocols']} to {protocols} directly")
    change_type(world, endpoint, arguments)
    for name in ("Name", "Protocols", *FLAGS):
        if arguments.get(name) is not None:
            endpoint[name] = arguments[name]
    endpoint["ModificationTime"] = now()
    endpoint["_updating"] = True
    world.pace.forget(endpoint["Id"])
    world.pace.later(endpoint["Id"], lambda: endpoint.update(_updating=False))
    return {"ResolverEndpoint": show(world, endpoint)}


def change_type(world, endpoint, arguments):
    kind = arguments.get("ResolverEndpointType") or endpoint["ResolverEndpointType"]
    if kind != endpoint["ResolverEndpointType"] and "IPV6" in (kind, endpoint["ResolverEndpointType"]):
        # Resolver API model: the type can be changed between IPV4 and DUALSTACK only.
        raise invalid_parameter("ResolverEndpointType", "Only IPV4 and DUALSTACK can be changed into each other")
    for each in arguments.get("UpdateIpAddresses") or []:
        address = endpoint["_addresses"].get(each["IpId"])
        if address is None or kind != "DUALSTACK":
            raise invalid_parameter("UpdateIpAddresses", f"The address '{each['IpId']}' can't be given an IPv6 address")
        address["Ipv6"] = each["Ipv6"]
    if kind == "DUALSTACK":
        for address in endpoint["_addresses"].values():
            subnet = world.network.subnet(address["SubnetId"])
            address["Ipv6"] = address["Ipv6"] or world.network.free_ipv6(subnet, used_ipv6(world))
    if kind == "IPV4":
        for address in endpoint["_addresses"].values():
            address["Ipv6"] = None
    endpoint["ResolverEndpointType"] = kind


def associate_address(world, arguments):
    endpoint = find_to_change(world, arguments["ResolverEndpointId"])
    wanted = arguments["IpAddress"]
    if not wanted.get("SubnetId") or wanted.get("IpId"):
        raise invalid_parameter("IpAddress", "An address to add is told by its SubnetId")
    if len(endpoint["_addresses"]) >= world.quotas["addresses_per_endpoint"]:
        raise limit("max-ip-addresses-per-endpoint", world.quotas["addresses_per_endpoint"])
    if world.network.subnet(wanted["SubnetId"]).vpc_id != endpoint["HostVPCId"]:
        raise invalid("The subnet is not of the endpoint's VPC")  # Words: our assumption.
    if wanted.get("Ip") in {each["Ip"] for each in endpoint["_addresses"].values() if each["Ip"]}:
        # Resolver API model: ResourceExistsException is among this operation's exceptions.
        raise exists("ip-address", f"The IP address '{wanted['Ip']}' is already associated")
    [place] = settle_addresses(world, endpoint["ResolverEndpointType"], [wanted])
    add_address(world, endpoint, place)
    endpoint["ModificationTime"] = now()
    return {"ResolverEndpoint": show(world, endpoint)}


def disassociate_address(world, arguments):
    endpoint = find_to_change(world, arguments["ResolverEndpointId"])
    address = find_address(endpoint, arguments["IpAddress"])
    if address["Status"] != "DETACHING":
        refuse_too_few(endpoint, address)
        address["Status"], address["ModificationTime"] = "DETACHING", now()
        world.pace.forget(address["IpId"])
        world.pace.later(address["IpId"], lambda: remove_address(world, endpoint, address))
    return {"ResolverEndpoint": show(world, endpoint)}


def find_address(endpoint, wanted):
    """Resolver API model, IpAddressUpdate: by IpId alone, or by subnet and address."""
    if not wanted.get("IpId") and not (wanted.get("SubnetId") and (wanted.get("Ip") or wanted.get("Ipv6"))):
        # The words are AWS's, as moto carries them.
        raise invalid("[RSLVR-00503] Need to specify either the IP ID or both subnet and IP address in order to "
                      "remove IP address.")
    told = {name: value for name, value in wanted.items() if value is not None}
    for address in endpoint["_addresses"].values():
        if all(address.get(name) == value for name, value in told.items()):
            return address
    raise not_found("ip-address", str(told))


def refuse_too_few(endpoint, address):
    """aws-controllers-k8s/community issue 3028: [RSLVR-00506] while the new address isn't ATTACHED yet. Resolver API
    model: an endpoint has at least two; that the code is the same then is our assumption. An address that has
    failed may go at any time (Route 53 Developer Guide, ACTION_NEEDED: add one, then remove the bad one)."""
    others = [each for each in endpoint["_addresses"].values() if each is not address]
    staying = [each for each in others if each["Status"] not in ("DETACHING", "DELETING")]
    attached = [each for each in others if each["Status"] == "ATTACHED"]
    if not attached and address["Status"] == "ATTACHED":
        raise invalid("[RSLVR-00506] Can't remove the only attached IP address")
    if len(staying) < 2:
        raise invalid("[RSLVR-00506] A resolver endpoint needs to have at least 2 IP addresses")


def remove_address(world, endpoint, address):
    world.network.unplug(address["_eni"])
    endpoint["_addresses"].pop(address["IpId"], None)


def delete(world, arguments):
    endpoint = find(world, arguments["ResolverEndpointId"])
    rules = [each["Id"] for each in world.rules.values() if each.get("ResolverEndpointId") == endpoint["Id"]]
    if rules:
        # terraform-provider-aws PR 7799, aws-nuke issue 586.
        raise invalid("[RSLVR-00600] Cannot delete resolver endpoint unless its related resolver rules are deleted. "
                      f"The following rules still exist for this resolver endpoint: {', '.join(rules)}")
    if not endpoint["_deleting"]:
        endpoint["_deleting"] = True
        for identity in endpoint["_addresses"]:
            world.pace.forget(identity)
        world.pace.forget(endpoint["Id"])
        world.pace.later(endpoint["Id"], lambda: vanish(world, endpoint))
    return {"ResolverEndpoint": show(world, endpoint)}


def vanish(world, endpoint):
    for address in list(endpoint["_addresses"].values()):
        remove_address(world, endpoint, address)
    world.tags.pop(endpoint["Arn"], None)
    world.endpoints.pop(endpoint["Id"], None)


OPERATIONS = {
    "CreateResolverEndpoint": create,
    "GetResolverEndpoint": get,
    "ListResolverEndpoints": list_all,
    "ListResolverEndpointIpAddresses": list_addresses,
    "UpdateResolverEndpoint": update,
    "AssociateResolverEndpointIpAddress": associate_address,
    "DisassociateResolverEndpointIpAddress": disassociate_address,
    "DeleteResolverEndpoint": delete,
}
