"""What the tests of the shim share: the shim as a child, clients of boto3, and a network."""

import atexit
import functools
import json
import os
import subprocess
import sys
import time
import unittest
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "eu-central-1"
VPC, OTHER_VPC = "vpc-0a1b2c3d4e5f60718", "vpc-0b1b2c3d4e5f60718"
SUBNETS = ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2", "subnet-0aaaaaaaaaaaaaaa3"]
SIX = "subnet-0aaaaaaaaaaaaaaa6"
OTHER_SUBNET = "subnet-0bbbbbbbbbbbbbbb1"
GROUP = "sg-0123456789abcdef0"
VPN = "cvpn-endpoint-0123456789abcdef0"
NETWORK = {
    "region": REGION,
    "vpcs": [
        {"id": VPC, "cidr": "10.20.0.0/16", "security_groups": [{"id": GROUP, "name": "dns"}],
         "subnets": [{"id": each, "cidr": f"10.20.{number}.0/24", "az": f"{REGION}{'abc'[number - 1]}"}
                     for number, each in enumerate(SUBNETS, 1)]
         + [{"id": SIX, "cidr": "10.20.6.0/24", "ipv6_cidr": "2001:db8:0:6::/64"}]},
        {"id": OTHER_VPC, "cidr": "10.30.0.0/16", "subnets": [{"id": OTHER_SUBNET, "cidr": "10.30.1.0/24"}]},
    ],
    "client_vpns": [{"id": VPN, "vpc": VPC, "subnets": [SUBNETS[0]], "security_groups": [GROUP]}],
}


class Shim:
    def __init__(self, *arguments):
        # Proxies of the machine are nothing to it.
        here = os.path.dirname(os.path.abspath(__file__))
        self.child = subprocess.Popen([sys.executable, "-B", "-m", "shim", *arguments], cwd=here,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.child.stdout.readline().split()[1]
        self.clients = {}

    def control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(urllib.request.Request(f"{self.url}/shim/{path}", data), timeout=30) as reply:
            return json.load(reply)

    def client(self, service, **more):
        key = (service, *more.items())
        if key not in self.clients:
            # What boto3 would refuse by itself has to reach the shim.
            config = Config(retries={"total_max_attempts": 1}, parameter_validation=False, proxies={}, **more)
            self.clients[key] = boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config,
                                             aws_access_key_id="testing", aws_secret_access_key="testing")
        return self.clients[key]

    def close(self):
        self.child.stdin.close()
        status = self.child.wait(10)
        self.child.stdout.close()
        return status


@functools.cache
def shared():
    """One shim for all tests: its start takes longer than most of them."""
    shim = Shim()
    atexit.register(shim.close)
    return shim


class Test(unittest.TestCase):
    """The shim is as new before each test."""

    def setUp(self):
        self.shim = shared()
        self.resolver, self.ec2, self.ram = (self.shim.client(name) for name in ("route53resolver", "ec2", "ram"))
        self.shim.control("reset", {})
        self.shim.control("settings", {"pace": {"ms": 5}})
        self.shim.control("seed", NETWORK)
        self.number = 0

    def request(self):
        self.number += 1
        return f"request-{self.number}"

    def refused(self, code, text, call, *arguments, **members):
        with self.assertRaises(ClientError) as caught:
            call(*arguments, **members)
        error = caught.exception.response["Error"]
        self.assertEqual(error["Code"], code, error)
        self.assertIn(text, error["Message"])
        return caught.exception.response

    def eventually(self, look, wanted):
        """Looks until it is as wanted; gives all that was seen on the way, without repetitions."""
        seen = []
        end = time.monotonic() + 10
        while time.monotonic() < end:
            found = look()
            if not seen or seen[-1] != found:
                seen.append(found)
            if found == wanted:
                return seen
            time.sleep(0.002)
        self.fail(f"{wanted} never came: {seen}")

    def endpoint(self, direction="OUTBOUND", addresses=None, wait=True, **more):
        addresses = addresses or [{"SubnetId": SUBNETS[0]}, {"SubnetId": SUBNETS[1]}]
        made = self.resolver.create_resolver_endpoint(
            **{"CreatorRequestId": self.request(), "SecurityGroupIds": [GROUP], "Direction": direction,
               "IpAddresses": addresses, **more})["ResolverEndpoint"]
        if wait:
            self.eventually(lambda: self.endpoint_status(made["Id"]), "OPERATIONAL")
        return made["Id"]

    def get_endpoint(self, identity):
        return self.resolver.get_resolver_endpoint(ResolverEndpointId=identity)["ResolverEndpoint"]

    def endpoint_status(self, identity):
        return self.get_endpoint(identity)["Status"]

    def addresses(self, identity):
        return self.resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=identity)["IpAddresses"]

    def rule(self, endpoint=None, domain="corp.example", targets=None, kind="FORWARD", **more):
        if kind in ("FORWARD", "DELEGATE"):
            more["ResolverEndpointId"] = endpoint
        if kind == "FORWARD":
            more["TargetIps"] = targets or [{"Ip": "192.0.2.53"}]
        if domain:
            more["DomainName"] = domain
        return self.resolver.create_resolver_rule(CreatorRequestId=self.request(), RuleType=kind,
                                                  **more)["ResolverRule"]

    def get_rule(self, identity):
        return self.resolver.get_resolver_rule(ResolverRuleId=identity)["ResolverRule"]

    def associate(self, rule, vpc=VPC):
        made = self.resolver.associate_resolver_rule(ResolverRuleId=rule, VPCId=vpc)["ResolverRuleAssociation"]
        return made["Id"]

    def association_status(self, identity):
        """The status, or GONE."""
        try:
            found = self.resolver.get_resolver_rule_association(ResolverRuleAssociationId=identity)
            return found["ResolverRuleAssociation"]["Status"]
        except ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], "ResourceNotFoundException")
            return "GONE"
