"""The shim's faults on demand, its rate limit, its journal and its end."""

import json
import threading
import time
import urllib.request

from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from shim_client import GROUP, REGION, SUBNETS, VPC, VPN, Shim, Test


class Faults(Test):
    def fault(self, **members):
        self.shim.control("fault", {"operation": "CreateResolverRule", **members})

    def domains(self):
        rules = self.resolver.list_resolver_rules(Filters=[{"Name": "TYPE", "Values": ["SYSTEM"]}])["ResolverRules"]
        return [each["DomainName"] for each in rules]

    def system_rule(self, domain):
        return self.rule(kind="SYSTEM", domain=domain)

    def test_an_http_status_without_meaning(self):
        self.fault(kind="status", status=502, times=2)
        for _ in range(2):
            answer = self.refused("502", "Bad Gateway", self.system_rule, "a.example")
            self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 502)
        self.system_rule("a.example")
        self.assertEqual(self.domains(), ["a.example."])

    def test_an_exception_by_name(self):
        self.fault(kind="exception", code="AccessDeniedException", message="no", skip=1)
        self.system_rule("a.example")
        self.refused("AccessDeniedException", "no", self.system_rule, "b.example")
        self.fault(kind="exception")
        answer = self.refused("InternalServiceErrorException", "", self.system_rule, "b.example")
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 500)
        self.assertEqual(self.domains(), ["a.example."])

    def test_a_cut_before_and_after(self):
        self.fault(kind="cut")
        with self.assertRaises(ConnectionClosedError):
            self.system_rule("before.example")
        self.assertEqual(self.domains(), [])
        self.fault(kind="cut", carried_out=True)
        with self.assertRaises(ConnectionClosedError):
            self.system_rule("after.example")
        self.assertEqual(self.domains(), ["after.example."])
        cut = [call for call in self.shim.control("journal")["calls"] if call["fault"] == "cut"]
        self.assertEqual([(call["carried_out"], call["status"]) for call in cut], [(False, 0), (True, 0)])

    def test_a_silence(self):
        hasty = self.shim.client("route53resolver", read_timeout=0.3)
        self.fault(kind="silence", seconds=5, carried_out=True)
        with self.assertRaises(ReadTimeoutError):
            hasty.create_resolver_rule(CreatorRequestId="x", RuleType="SYSTEM", DomainName="a.example")
        # Others are served in the meantime.
        self.assertEqual(self.domains(), ["a.example."])

    def test_faults_of_ec2_and_ram(self):
        self.shim.control("fault", {"operation": "DescribeSubnets", "kind": "exception", "code": "Unavailable",
                                    "message": "later", "status": 503})
        self.refused("Unavailable", "later", self.ec2.describe_subnets)
        self.assertTrue(self.ec2.describe_subnets(SubnetIds=[SUBNETS[0]])["Subnets"])
        self.shim.control("fault", {"operation": "*", "kind": "exception", "code": "ServerInternalException"})
        self.refused("ServerInternalException", "", self.ram.get_resource_shares, resourceOwner="SELF")

    def test_faults_are_cleared(self):
        self.fault(kind="exception")
        self.assertEqual(self.shim.control("fault", {"clear": True}), {"waiting": 0})
        self.system_rule("a.example")

    def test_a_fault_that_is_none(self):
        with self.assertRaises(urllib.request.HTTPError) as caught:
            self.fault(kind="weather")
        self.assertEqual(caught.exception.code, 400)
        caught.exception.close()


class Rates(Test):
    def test_more_than_the_rate_is_refused_as_aws_does(self):
        self.shim.control("settings", {"throttle": {"rate": 0.001, "burst": 3}})
        for _ in range(3):
            self.resolver.list_resolver_rules()
        answer = self.refused("ThrottlingException", "Rate exceeded", self.resolver.list_resolver_rules)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 400)
        # The limit is the Resolver's.
        self.ec2.describe_vpcs()
        self.shim.control("settings", {"throttle": None})
        self.resolver.list_resolver_rules()

    def test_the_bucket_fills_again(self):
        self.shim.control("settings", {"throttle": {"rate": 100, "burst": 1}})
        passed, end = 0, time.monotonic() + 10
        while passed < 5 and time.monotonic() < end:
            try:
                self.resolver.list_resolver_rules()
                passed += 1
            except ClientError as error:
                self.assertEqual(error.response["Error"]["Code"], "ThrottlingException")
        self.assertEqual(passed, 5)

    def test_calls_are_counted(self):
        for _ in range(7):
            self.resolver.list_resolver_rules()
        self.assertEqual(sum(self.shim.control("rate")["route53resolver"].values()), 7)


class TheRecord(Test):
    def test_calls_are_kept_in_order_with_what_came_of_them(self):
        endpoint = self.endpoint(Name="out")
        self.refused("InvalidRequestException", "[RSLVR-00711]", self.rule, endpoint, "..")
        calls = self.shim.control("journal")["calls"]
        self.assertEqual([call["number"] for call in calls], list(range(1, len(calls) + 1)))
        first, last = calls[0], calls[-1]
        self.assertEqual((first["operation"], first["service"], first["region"]),
                         ("CreateResolverEndpoint", "route53resolver", REGION))
        self.assertEqual(first["arguments"]["SecurityGroupIds"], [GROUP])
        self.assertEqual(first["result"]["ResolverEndpoint"]["Id"], endpoint)
        self.assertEqual((last["status"], last["error"]), (400, "InvalidRequestException"))
        self.assertEqual(last["attached"], {endpoint: 2})
        since = self.shim.control(f"journal?since={len(calls) - 1}")["calls"]
        self.assertEqual(since, [last])

    def test_ec2_calls_are_kept_too(self):
        self.ec2.describe_subnets(SubnetIds=[SUBNETS[0]])
        [call] = self.shim.control("journal")["calls"]
        self.assertEqual((call["operation"], call["service"], call["status"]), ("DescribeSubnets", "ec2", 200))
        self.assertEqual(call["arguments"], {"SubnetId.1": SUBNETS[0]})

    def test_the_world_tells_what_there_is(self):
        endpoint = self.endpoint()
        rule = self.rule(endpoint)["Id"]
        self.associate(rule)
        world = self.shim.control(f"world?region={REGION}")
        [shown] = world["endpoints"]
        self.assertEqual((shown["Id"], shown["Status"], len(shown["_addresses"])), (endpoint, "OPERATIONAL", 2))
        [shown] = world["rules"]
        self.assertEqual((shown["Id"], shown["ShareStatus"]), (rule, "NOT_SHARED"))
        [shown] = world["rule_associations"]
        self.assertEqual((shown["ResolverRuleId"], shown["VPCId"]), (rule, VPC))
        self.assertEqual([shown["ClientVpnEndpointId"] for shown in world["vpns"]], [VPN])

    def test_the_world_tells_what_was_seeded(self):
        world = self.shim.control(f"world?region={REGION}")
        self.assertIn({"id": VPC, "cidr": "10.20.0.0/16"}, world["vpcs"])
        self.assertIn({"id": SUBNETS[1], "vpc": VPC, "cidr": "10.20.2.0/24", "az": "eu-central-1b"}, world["subnets"])
        self.assertIn({"id": GROUP, "vpc": VPC, "name": "dns"}, world["security_groups"])
        [found] = self.ec2.describe_subnets(SubnetIds=[SUBNETS[1]])["Subnets"]
        self.assertEqual((found["VpcId"], found["AvailabilityZone"]), (VPC, "eu-central-1b"))

    def test_what_the_shim_lacks_is_refused_by_name(self):
        self.refused("UnknownOperationException", "ListFirewallRules", self.resolver.list_firewall_rules,
                     FirewallRuleGroupId="x")

    def test_an_unknown_member_is_refused(self):
        body = json.dumps({"ResolverRuleId": "x", "Config": {"Colour": "blue"}}).encode()
        scope = f"AWS4-HMAC-SHA256 Credential=testing/20260101/{REGION}/route53resolver/aws4_request, Signature=0"
        request = urllib.request.Request(self.shim.url, body, {
            "X-Amz-Target": "Route53Resolver.UpdateResolverRule", "Authorization": scope,
            "Content-Type": "application/x-amz-json-1.1"})
        with self.assertRaises(urllib.request.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=30)
        with caught.exception as answer:
            told = json.load(answer)
        self.assertEqual(told["__type"], "ValidationException")
        self.assertIn("config.colour", told["message"])

    def test_many_calls_at_once(self):
        threads = [threading.Thread(target=self.rule, kwargs={"kind": "SYSTEM", "domain": f"d{number}.example",
                                                              "Name": f"n{number}x"}) for number in range(20)]
        # Identities of requests come from a counter that isn't shared safely between threads.
        self.request = lambda: threading.current_thread().name
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(self.resolver.list_resolver_rules()["ResolverRules"]), 21)


class TheEnd(Test):
    def test_it_ends_with_stdin_and_by_its_lifetime(self):
        self.assertEqual(Shim().close(), 0)
        brief = Shim("--lifetime", "0.2")
        self.assertEqual(brief.child.wait(20), 0)
        brief.close()
