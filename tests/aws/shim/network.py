"""VPCs, subnets, security groups and network interfaces as moto's EC2 keeps them: looked up, seeded with the
identities a test wants, and kept from being deleted while they are in use.
"""

import ipaddress

import moto.ec2.models.security_groups as moto_groups
import moto.ec2.models.subnets as moto_subnets
import moto.ec2.models.vpcs as moto_vpcs
from moto.ec2.models import ec2_backends

from .errors import AwsError, invalid, invalid_parameter


class Network:
    def __init__(self, account, region):
        self.account, self.region = account, region

    @property
    def backend(self):
        return ec2_backends[self.account][self.region]

    def vpc(self, vpc_id):
        """The VPC, or nothing."""
        return self.backend.vpcs.get(vpc_id)

    def subnet(self, subnet_id):
        for subnets in self.backend.subnets.values():
            if subnet_id in subnets:
                return subnets[subnet_id]
        # Our assumption: which exception AWS gives here isn't documented.
        raise invalid_parameter("SubnetId", f"The subnet ID '{subnet_id}' does not exist")

    def security_group(self, group_id):
        # [RSLVR-00408] for a malformed ID: LocalStack's resolver provider; the rest is our assumption.
        if not group_id.startswith("sg-"):
            raise invalid_parameter("SecurityGroupIds", f"[RSLVR-00408] Malformed security group ID: '{group_id}'.")
        group = self.backend.get_security_group_from_id(group_id)
        if group is None:
            raise invalid_parameter("SecurityGroupIds", f"The security group '{group_id}' does not exist")
        return group

    def taken(self, subnet):
        """Addresses that network interfaces of the subnet have."""
        return {eni.private_ip_address for eni in self.backend.enis.values() if eni.subnet.id == subnet.id}

    def check_address(self, subnet, ip):
        """Refuses an address out of the subnet, one of the five that AWS keeps (Amazon VPC User Guide, subnet
        CIDR blocks), and one that is in use (our assumption of the words)."""
        block = ipaddress.ip_network(subnet.cidr_block)
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            raise invalid_parameter("Ip", f"The IP address '{ip}' is not valid") from None
        inside = address in block and 4 <= int(address) - int(block[0]) < block.num_addresses - 1
        if not inside:
            # cdk-real-drift issue 487.
            raise invalid(f"[RSLVR-00405] The IP address '{ip}' in subnet '{subnet.id}' is either not in the "
                          "subnet's CIDR range or is reserved.")
        if str(address) in self.taken(subnet):
            raise invalid(f"The IP address '{ip}' in subnet '{subnet.id}' is already in use.")

    def free_address(self, subnet, kept):
        """The lowest free one, but for those kept by other parts of the same call."""
        block = ipaddress.ip_network(subnet.cidr_block)
        used = self.taken(subnet) | kept
        for number in range(4, block.num_addresses - 1):
            if str(block[number]) not in used:
                return str(block[number])
        raise invalid(f"The subnet '{subnet.id}' has no free IP addresses.")

    def free_ipv6(self, subnet, kept):
        blocks = [each["ipv6CidrBlock"] for each in subnet.ipv6_cidr_block_associations.values()]
        if not blocks:
            raise invalid(f"The subnet '{subnet.id}' has no IPv6 CIDR range.")
        block = ipaddress.ip_network(blocks[0])
        return next(str(block[number]) for number in range(4, 65536) if str(block[number]) not in kept)

    def plug(self, subnet, ip, groups):
        """A network interface of the Resolver's; an IPv6-only one takes a place of no meaning in moto."""
        ip = ip or self.free_address(subnet, set())
        eni = self.backend.create_network_interface(
            subnet, ip, group_ids=groups, description="Route 53 Resolver: (shim)")
        return eni.id

    def unplug(self, eni_id):
        self.backend.enis.pop(eni_id, None)

    def refuse_deletion(self, action, form):
        """EC2 API Reference, error codes: DependencyViolation. moto deletes what is in use."""
        enis = self.backend.enis.values()
        if action == "DeleteSubnet":
            subnet = form.get("SubnetId")
            if any(eni.subnet.id == subnet for eni in enis):
                raise AwsError("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")
        if action == "DeleteSecurityGroup":
            group = form.get("GroupId")
            if any(group in (each.id for each in eni.group_set) for eni in enis):
                raise AwsError("DependencyViolation", f"resource {group} has a dependent object")

    def seed(self, wanted):
        """{"vpcs": [{"id", "cidr", "subnets": [{"id", "cidr", "az"}], "security_groups": [{"id", "name"}]}]}"""
        return [self.seed_vpc(vpc) for vpc in wanted]

    def seed_vpc(self, wanted):
        with_id(moto_vpcs, "random_vpc_id", wanted["id"], lambda: self.backend.create_vpc(wanted["cidr"]))
        for subnet in wanted.get("subnets", []):
            zone = subnet.get("az", f"{self.region}a")
            with_id(moto_subnets, "random_subnet_id", subnet["id"], lambda: self.backend.create_subnet(
                wanted["id"], subnet["cidr"], ipv6_cidr_block=subnet.get("ipv6_cidr"), availability_zone=zone))
        for group in wanted.get("security_groups", []):
            name = group.get("name", group["id"])
            with_id(moto_groups, "random_security_group_id", group["id"],
                    lambda: self.backend.create_security_group(name, "seeded", wanted["id"]))
        return wanted["id"]

    def dump(self):
        vpcs = [{"id": vpc.id, "cidr": vpc.cidr_block} for vpc in self.backend.vpcs.values()]
        subnets = [{"id": subnet.id, "vpc": subnet.vpc_id, "cidr": subnet.cidr_block, "az": subnet.availability_zone}
                   for zone in self.backend.subnets.values() for subnet in zone.values()]
        groups = [{"id": group.id, "vpc": vpc, "name": group.name}
                  for vpc, members in self.backend.groups.items() for group in members.values()]
        enis = [{"id": eni.id, "subnet": eni.subnet.id, "ip": eni.private_ip_address}
                for eni in self.backend.enis.values()]
        return {"vpcs": vpcs, "subnets": subnets, "security_groups": groups, "network_interfaces": enis}


def with_id(module, generator, identity, create):
    """Lets moto create one object with the identity that the test wants."""
    kept = getattr(module, generator)
    setattr(module, generator, lambda: identity)
    try:
        return create()
    finally:
        setattr(module, generator, kept)
