"""The shim's Resolver rules, their associations, and what a VPC is set to."""

from shim_client import OTHER_VPC, SUBNETS, VPC, Test

INTERNET = "rslvr-autodefined-rr-internet-resolver"


class Rules(Test):
    def test_domain_names_end_with_one_dot(self):
        endpoint = self.endpoint()
        for given, shown in (("corp.example", "corp.example."), ("lab.example.", "lab.example."), (".", ".")):
            self.assertEqual(self.get_rule(self.rule(endpoint, given)["Id"])["DomainName"], shown)
        for wrong in ("..", "a..example", ".example", "-a.example", "a b.example", "a" * 64 + ".example"):
            self.refused("InvalidRequestException", "[RSLVR-00711]", self.rule, endpoint, wrong)

    def test_targets_of_all_kinds(self):
        endpoint = self.endpoint(Protocols=["DoH", "Do53"])
        targets = [{"Ip": "192.0.2.53", "Protocol": "Do53"},
                   {"Ip": "192.0.2.54", "Port": 8053, "Protocol": "Do53"},
                   {"Ip": "192.0.2.55", "Port": 443, "Protocol": "DoH", "ServerNameIndication": "dns.example"}]
        shown = self.get_rule(self.rule(endpoint, targets=targets)["Id"])["TargetIps"]
        self.assertEqual(shown[0], {"Ip": "192.0.2.53", "Port": 53, "Protocol": "Do53"})
        self.assertEqual(shown[1:], targets[1:])
        six = self.rule(endpoint, "six.example", [{"Ipv6": "2001:db8::53", "Protocol": "Do53"}])
        self.assertEqual(six["TargetIps"], [{"Ipv6": "2001:db8::53", "Port": 53, "Protocol": "Do53"}])

    def test_targets_that_are_refused(self):
        plain, both = self.endpoint(), self.endpoint(Protocols=["DoH", "Do53"])
        self.refused("InvalidRequestException", "[RSLVR-00726]", self.rule, both)
        self.refused("InvalidParameterException", "DoH", self.rule, plain,
                     targets=[{"Ip": "192.0.2.1", "Protocol": "DoH"}])
        self.refused("InvalidParameterException", "mixed", self.rule, plain,
                     targets=[{"Ip": "192.0.2.1"}, {"Ipv6": "2001:db8::1"}])
        self.refused("InvalidParameterException", "server name", self.rule, plain,
                     targets=[{"Ip": "192.0.2.1", "ServerNameIndication": "dns.example"}])
        self.refused("InvalidParameterException", "valid", self.rule, plain, targets=[{"Ip": "192.0.2.256"}])
        self.refused("LimitExceededException", "6", self.rule, plain,
                     targets=[{"Ip": f"192.0.2.{number}"} for number in range(1, 8)])
        self.refused("ValidationException", "port", self.rule, plain, targets=[{"Ip": "192.0.2.1", "Port": 65536}])

    def test_types(self):
        endpoint, inside = self.endpoint(), self.endpoint("INBOUND")
        system = self.rule(kind="SYSTEM", domain="amazonaws.com")
        self.assertNotIn("TargetIps", system)
        self.refused("InvalidRequestException", "SYSTEM", self.rule, kind="SYSTEM", ResolverEndpointId=endpoint)
        self.refused("InvalidRequestException", "[RSLVR-00718]", self.rule, kind="RECURSIVE", domain=".")
        self.refused("InvalidRequestException", "[RSLVR-00700]", self.rule, inside)
        self.refused("ResourceNotFoundException", "rslvr-out-0", self.rule, "rslvr-out-00000000000000000")
        self.refused("InvalidParameterException", "target IPs", self.resolver.create_resolver_rule,
                     CreatorRequestId="x", RuleType="FORWARD", DomainName="a.example")
        delegate = self.rule(endpoint, None, kind="DELEGATE", DelegationRecord="ns.cloud.example")
        self.assertEqual(self.get_rule(delegate["Id"])["DelegationRecord"], "ns.cloud.example.")
        self.assertNotIn("DomainName", delegate)
        self.refused("InvalidRequestException", "nameserver name", self.rule, endpoint, None, kind="DELEGATE",
                     DelegationRecord="ns.example", TargetIps=[{"Ip": "192.0.2.1"}])
        self.refused("InvalidRequestException", "delegation record", self.rule, endpoint, None, kind="DELEGATE")

    def test_an_update_replaces_targets_and_takes_its_time(self):
        rule = self.rule(self.endpoint(), Name="corp")["Id"]
        update = self.resolver.update_resolver_rule
        self.shim.control("settings", {"pace": {"looks": 2}})
        answer = update(ResolverRuleId=rule, Config={"TargetIps": [{"Ip": "192.0.2.99"}]})["ResolverRule"]
        self.assertEqual(answer["Status"], "UPDATING")
        self.refused("InvalidRequestException", "[RSLVR-00705]", update, ResolverRuleId=rule, Config={"Name": "x"})
        self.assertEqual([self.get_rule(rule)["Status"] for _ in range(3)], ["UPDATING", "UPDATING", "COMPLETE"])
        shown = self.get_rule(rule)
        self.assertEqual((shown["Name"], [each["Ip"] for each in shown["TargetIps"]]), ("corp", ["192.0.2.99"]))
        update(ResolverRuleId=rule, Config={"Name": "renamed"})
        shown = self.get_rule(rule)
        self.assertEqual((shown["Name"], [each["Ip"] for each in shown["TargetIps"]]), ("renamed", ["192.0.2.99"]))

    def test_a_refused_update_changes_nothing(self):
        rule = self.rule(self.endpoint(), Name="corp")["Id"]
        before = self.get_rule(rule)
        self.refused("InvalidParameterException", "valid", self.resolver.update_resolver_rule, ResolverRuleId=rule,
                     Config={"Name": "other", "TargetIps": [{"Ip": "192.0.2.300"}]})
        self.assertEqual(self.get_rule(rule), before)

    def test_associations_come_and_go(self):
        rule = self.rule(self.endpoint())["Id"]
        self.shim.control("settings", {"pace": {"looks": 1}})
        identity = self.associate(rule)
        self.assertEqual([self.association_status(identity) for _ in range(2)], ["CREATING", "COMPLETE"])
        self.refused("ResourceInUseException", "disassociate", self.resolver.delete_resolver_rule,
                     ResolverRuleId=rule)
        self.resolver.disassociate_resolver_rule(ResolverRuleId=rule, VPCId=VPC)
        self.assertEqual([self.association_status(identity) for _ in range(2)], ["DELETING", "GONE"])
        self.resolver.delete_resolver_rule(ResolverRuleId=rule)
        self.assertEqual(self.get_rule(rule)["Status"], "DELETING")
        self.refused("ResourceNotFoundException", "[RSLVR-00703]", self.get_rule, rule)

    def test_one_rule_for_a_name_in_each_vpc(self):
        endpoint = self.endpoint()
        first, second = self.rule(endpoint)["Id"], self.rule(endpoint, "CORP.example.")["Id"]
        self.associate(first)
        told = self.refused("InvalidRequestException", "same domain name", self.associate, second)
        self.assertIn(first, told["Error"]["Message"])
        self.refused("ResourceExistsException", "[RSLVR-00704]", self.associate, first)
        self.associate(second, OTHER_VPC)
        self.refused("ResourceNotFoundException", "vpc-0f", self.associate, first, "vpc-0ffffffffffffffff")

    def test_a_direct_loop_is_refused(self):
        pins = [{"SubnetId": SUBNETS[0], "Ip": "10.20.1.10"}, {"SubnetId": SUBNETS[1], "Ip": "10.20.2.10"}]
        self.endpoint("INBOUND", pins)
        rule = self.rule(self.endpoint(), targets=[{"Ip": "192.0.2.1"}, {"Ip": "10.20.2.10"}])["Id"]
        self.refused("InvalidRequestException", "[RSLVR-00804]", self.associate, rule)
        self.associate(rule, OTHER_VPC)

    def test_quotas(self):
        self.shim.control("settings", {"quotas": {"rules": 2, "rule_associations": 1}})
        endpoint = self.endpoint()
        first, _ = self.rule(endpoint)["Id"], self.rule(endpoint, "lab.example")
        self.refused("LimitExceededException", "max-rules", self.rule, endpoint, "third.example")
        self.associate(first)
        self.refused("LimitExceededException", "max-rule-associations", self.associate, first, OTHER_VPC)

    def test_quotas_are_as_documented(self):
        quotas = self.shim.control("settings", {})["quotas"]
        names = ("endpoints", "addresses_per_endpoint", "targets_per_rule", "rules", "rule_associations")
        self.assertEqual([quotas[name] for name in names], [4, 6, 6, 1000, 2000])

    def test_the_rule_of_aws_is_listed_and_left_alone(self):
        [shown] = self.resolver.list_resolver_rules()["ResolverRules"]
        self.assertEqual((shown["Id"], shown["OwnerId"]), (INTERNET, "Route 53 Resolver"))
        self.assertEqual((shown["DomainName"], shown["RuleType"]), (".", "RECURSIVE"))
        found = self.resolver.list_resolver_rule_associations()["ResolverRuleAssociations"]
        self.assertLessEqual({VPC, OTHER_VPC}, {each["VPCId"] for each in found})
        self.assertTrue(all(each["Id"].startswith("rslvr-autodefined-assoc-") for each in found))
        self.refused("InvalidRequestException", "[RSLVR-00903]", self.resolver.tag_resource,
                     ResourceArn=shown["Arn"], Tags=[{"Key": "a", "Value": "b"}])
        self.refused("InvalidRequestException", "[RSLVR-00713]", self.resolver.disassociate_resolver_rule,
                     ResolverRuleId=INTERNET, VPCId=VPC)
        self.refused("InvalidRequestException", "Auto Defined", self.resolver.delete_resolver_rule,
                     ResolverRuleId=INTERNET)
        # A rule of ours for the root goes beside it.
        self.associate(self.rule(self.endpoint(), ".")["Id"])

    def test_lists_with_nameless_rules_are_filtered_and_paged(self):
        endpoint = self.endpoint()
        for number in range(5):
            self.rule(endpoint, f"d{number}.example")
        self.rule(kind="SYSTEM", domain="named.example", Name="named")

        def listed(name, value):
            found = self.resolver.list_resolver_rules(Filters=[{"Name": name, "Values": [value]}])
            return [each["DomainName"] for each in found["ResolverRules"]]

        self.assertEqual(listed("TYPE", "SYSTEM"), ["named.example."])
        self.assertEqual(listed("Type", "RECURSIVE"), ["."])
        self.assertEqual(listed("DomainName", "d3.example."), ["d3.example."])
        self.assertEqual(listed("DomainName", "d3.example"), [])
        self.assertEqual(listed("CreatorRequestId", "request-3"), ["d1.example."])
        self.assertEqual(len(listed("ResolverEndpointId", endpoint)), 5)
        pages = self.resolver.get_paginator("list_resolver_rules").paginate(PaginationConfig={"PageSize": 3})
        self.assertEqual([len(each["ResolverRules"]) for each in pages], [3, 3, 1])

    def test_a_request_that_comes_again_is_refused(self):
        endpoint = self.endpoint()
        self.rule(endpoint)
        self.number -= 1
        self.refused("ResourceExistsException", "creator request ID", self.rule, endpoint)

    def test_tags(self):
        arn = self.rule(self.endpoint(), Tags=[{"Key": "a", "Value": "1"}])["Arn"]
        self.resolver.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": "3"}])
        self.resolver.untag_resource(ResourceArn=arn, TagKeys=["b"])
        self.assertEqual(self.resolver.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "a", "Value": "2"}])
        self.refused("InvalidTagException", "aws:", self.resolver.tag_resource, ResourceArn=arn,
                     Tags=[{"Key": "aws:x", "Value": ""}])
        self.refused("ResourceNotFoundException", "rslvr-rr-0", self.resolver.list_tags_for_resource,
                     ResourceArn=arn[:-17] + "0" * 17)


class Settings(Test):
    def test_reverse_lookups_are_on_until_they_are_switched_off(self):
        def status():
            return self.resolver.get_resolver_config(ResourceId=VPC)["ResolverConfig"]["AutodefinedReverse"]

        self.assertEqual(status(), "ENABLED")
        self.assertEqual(self.resolver.list_resolver_configs()["ResolverConfigs"], [])
        self.shim.control("settings", {"pace": {"looks": 1}})
        self.resolver.update_resolver_config(ResourceId=VPC, AutodefinedReverseFlag="DISABLE")
        self.assertEqual([status(), status()], ["DISABLING", "DISABLED"])
        [listed] = self.resolver.list_resolver_configs()["ResolverConfigs"]
        self.assertEqual((listed["ResourceId"], listed["AutodefinedReverse"]), (VPC, "DISABLED"))
        self.refused("ResourceNotFoundException", "vpc-0f", self.resolver.get_resolver_config,
                     ResourceId="vpc-0ffffffffffffffff")

    def test_validation_is_off_until_it_is_switched_on(self):
        def status():
            return self.resolver.get_resolver_dnssec_config(ResourceId=VPC)["ResolverDNSSECConfig"]["ValidationStatus"]

        self.assertEqual(status(), "DISABLED")
        self.shim.control("settings", {"pace": {"looks": 1}})
        self.resolver.update_resolver_dnssec_config(ResourceId=VPC, Validation="ENABLE")
        self.assertEqual([status(), status()], ["ENABLING", "ENABLED"])
        [listed] = self.resolver.list_resolver_dnssec_configs()["ResolverDnssecConfigs"]
        self.assertEqual(listed["ValidationStatus"], "ENABLED")


class QueryLogs(Test):
    DESTINATION = "arn:aws:logs:eu-central-1:123456789012:log-group:dns:*"

    def create(self, **more):
        return self.resolver.create_resolver_query_log_config(
            Name="log", DestinationArn=self.DESTINATION, CreatorRequestId=self.request(),
            **more)["ResolverQueryLogConfig"]

    def status(self, identity):
        found = self.resolver.get_resolver_query_log_config(ResolverQueryLogConfigId=identity)
        return found["ResolverQueryLogConfig"]["Status"]

    def association_state(self, identity):
        found = self.resolver.get_resolver_query_log_config_association(ResolverQueryLogConfigAssociationId=identity)
        return found["ResolverQueryLogConfigAssociation"]["Status"]

    def test_from_creation_to_deletion(self):
        self.shim.control("settings", {"pace": {"looks": 1}})
        config = self.create()["Id"]
        self.assertEqual([self.status(config), self.status(config)], ["CREATING", "CREATED"])
        made = self.resolver.associate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=VPC)
        association = made["ResolverQueryLogConfigAssociation"]["Id"]
        states = [self.association_state(association) for _ in range(2)]
        self.assertEqual(states, ["CREATING", "ACTIVE"])
        [listed] = self.resolver.list_resolver_query_log_configs()["ResolverQueryLogConfigs"]
        self.assertEqual(listed["AssociationCount"], 1)
        delete = self.resolver.delete_resolver_query_log_config
        self.refused("InvalidRequestException", "isassociate", delete, ResolverQueryLogConfigId=config)
        self.resolver.disassociate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=VPC)
        self.assertEqual(self.association_state(association), "DELETING")
        self.refused("ResourceNotFoundException", "[RSLVR-01602]", self.association_state, association)
        delete(ResolverQueryLogConfigId=config)
        self.assertEqual(self.status(config), "DELETING")
        self.refused("ResourceNotFoundException", "[RSLVR-01601]", self.status, config)

    def test_tags(self):
        arn = self.create(Tags=[{"Key": "a", "Value": "1"}])["Arn"]
        self.resolver.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
        tags = self.resolver.list_tags_for_resource(ResourceArn=arn)["Tags"]
        self.assertEqual(tags, [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])

    def test_lists_by_vpc(self):
        config = self.create()["Id"]
        for vpc in (VPC, OTHER_VPC):
            self.resolver.associate_resolver_query_log_config(ResolverQueryLogConfigId=config, ResourceId=vpc)
        found = self.resolver.list_resolver_query_log_config_associations(
            Filters=[{"Name": "ResourceId", "Values": [VPC]}])
        self.assertEqual([found["TotalCount"], found["TotalFilteredCount"]], [2, 1])
        self.refused("ResourceExistsException", VPC, self.resolver.associate_resolver_query_log_config,
                     ResolverQueryLogConfigId=config, ResourceId=VPC)

    def test_a_destination_that_is_none(self):
        self.DESTINATION = "arn:aws:sqs:eu-central-1:123456789012:queue"
        self.refused("InvalidRequestException", "[RSLVR-01014]", self.create)
