"""The shim's Resolver endpoints and addresses."""

from shim_client import GROUP, OTHER_SUBNET, REGION, SIX, SUBNETS, VPC, Test


class Endpoints(Test):
    def test_all_that_was_given_is_shown(self):
        identity = self.endpoint(Name="out", Protocols=["DoH", "Do53"], ResolverEndpointType="IPV4",
                                 RniEnhancedMetricsEnabled=True, TargetNameServerMetricsEnabled=True,
                                 Ipv6InternetAccessEnabled=True, Tags=[{"Key": "owner", "Value": "dns"}])
        [listed] = self.resolver.list_resolver_endpoints()["ResolverEndpoints"]
        for shown in (listed, self.get_endpoint(identity)):
            self.assertEqual(shown["Protocols"], ["DoH", "Do53"])
            self.assertEqual(shown["ResolverEndpointType"], "IPV4")
            self.assertEqual(shown["HostVPCId"], VPC)
            self.assertEqual(shown["SecurityGroupIds"], [GROUP])
            self.assertEqual(shown["IpAddressCount"], 2)
            flags = [shown[flag] for flag in ("RniEnhancedMetricsEnabled", "TargetNameServerMetricsEnabled",
                                              "Ipv6InternetAccessEnabled", "Dns64Enabled")]
            self.assertEqual(flags, [True, True, True, False])
        tags = self.resolver.list_tags_for_resource(ResourceArn=listed["Arn"])["Tags"]
        self.assertEqual(tags, [{"Key": "owner", "Value": "dns"}])

    def test_defaults(self):
        shown = self.get_endpoint(self.endpoint())
        self.assertEqual((shown["Protocols"], shown["ResolverEndpointType"]), (["Do53"], "IPV4"))
        self.assertNotIn("Name", shown)
        self.assertRegex(shown["Id"], "^rslvr-out-[0-9a-f]{17}$")
        self.assertRegex(self.endpoint("INBOUND"), "^rslvr-in-[0-9a-f]{17}$")

    def test_creation_takes_its_time_and_addresses_pass_through_their_states(self):
        self.shim.control("settings", {"pace": {"looks": 2}})
        identity = self.endpoint(wait=False)
        seen = [(self.endpoint_status(identity),) for _ in range(2)]
        statuses = [tuple({each["Status"] for each in self.addresses(identity)}) for _ in range(4)]
        self.assertEqual(seen, [("CREATING",)] * 2)
        self.assertEqual(statuses[0], ("ATTACHING",))
        self.assertEqual(statuses[-1], ("ATTACHED",))
        self.assertEqual(self.endpoint_status(identity), "OPERATIONAL")

    def test_deletion_passes_through_deleting(self):
        identity = self.endpoint()
        self.shim.control("settings", {"pace": {"looks": 2}})
        self.resolver.delete_resolver_endpoint(ResolverEndpointId=identity)
        self.assertEqual([self.endpoint_status(identity) for _ in range(2)], ["DELETING"] * 2)
        self.refused("ResourceNotFoundException", identity, self.get_endpoint, identity)
        self.assertEqual(self.shim.control(f"world?region={REGION}")["network_interfaces"], [])

    def test_addresses_are_added_and_removed_by_id_alone(self):
        identity = self.endpoint()
        self.resolver.associate_resolver_endpoint_ip_address(
            ResolverEndpointId=identity, IpAddress={"SubnetId": SUBNETS[2], "Ip": "10.20.3.10"})
        self.assertEqual(self.endpoint_status(identity), "UPDATING")
        self.eventually(lambda: self.endpoint_status(identity), "OPERATIONAL")
        self.assertEqual(self.get_endpoint(identity)["IpAddressCount"], 3)
        [old] = [each["IpId"] for each in self.addresses(identity) if each["SubnetId"] == SUBNETS[0]]
        self.shim.control("settings", {"pace": {"looks": 2}})
        self.resolver.disassociate_resolver_endpoint_ip_address(ResolverEndpointId=identity, IpAddress={"IpId": old})
        self.assertEqual({each["Status"] for each in self.addresses(identity)}, {"DETACHING", "ATTACHED"})
        self.assertEqual(self.endpoint_status(identity), "UPDATING")
        self.assertEqual({each["SubnetId"] for each in self.addresses(identity)}, {SUBNETS[1], SUBNETS[2]})
        self.assertEqual(self.shim.control(f"world?region={REGION}")["fewest_attached"][identity], 2)

    def test_an_address_is_also_removed_by_subnet_and_ip_and_needs_one_or_the_other(self):
        addresses = [{"SubnetId": each} for each in SUBNETS]
        identity = self.endpoint(addresses=addresses)
        remove = self.resolver.disassociate_resolver_endpoint_ip_address
        self.refused("InvalidRequestException", "[RSLVR-00503]", remove, ResolverEndpointId=identity,
                     IpAddress={"SubnetId": SUBNETS[0]})
        remove(ResolverEndpointId=identity, IpAddress={"SubnetId": SUBNETS[0], "Ip": "10.20.1.4"})
        self.eventually(lambda: len(self.addresses(identity)), 2)

    def test_the_last_attached_address_stays(self):
        identity = self.endpoint()
        remove = self.resolver.disassociate_resolver_endpoint_ip_address
        [first, second] = [each["IpId"] for each in self.addresses(identity)]
        self.refused("InvalidRequestException", "[RSLVR-00506]", remove, ResolverEndpointId=identity,
                     IpAddress={"IpId": first})
        self.shim.control("settings", {"pace": {"looks": 1000}})
        for number in (20, 21):
            self.resolver.associate_resolver_endpoint_ip_address(
                ResolverEndpointId=identity, IpAddress={"SubnetId": SUBNETS[2], "Ip": f"10.20.3.{number}"})
        # The new ones aren't attached yet: the first goes, the second would be the last.
        remove(ResolverEndpointId=identity, IpAddress={"IpId": first})
        self.refused("InvalidRequestException", "[RSLVR-00506] Can't remove the only attached IP address", remove,
                     ResolverEndpointId=identity, IpAddress={"IpId": second})
        # And the journal tells that the endpoint was too low.
        attached = [call["attached"].get(identity) for call in self.shim.control("journal")["calls"]]
        self.assertEqual(attached[-1], 1)
        self.shim.control("settings", {"pace": {"ms": 1}})
        self.eventually(lambda: self.endpoint_status(identity), "OPERATIONAL")
        world = self.shim.control(f"world?region={REGION}")
        self.assertEqual((world["attached"][identity], world["fewest_attached"][identity]), (3, 1))

    def test_an_update_keeps_what_is_left_out(self):
        identity = self.endpoint("INBOUND", Name="in", Protocols=["Do53"])
        update = self.resolver.update_resolver_endpoint
        self.shim.control("settings", {"pace": {"looks": 1}})
        update(ResolverEndpointId=identity, Protocols=["Do53", "DoH"], Dns64Enabled=True)
        shown = self.get_endpoint(identity)
        self.assertEqual((shown["Name"], shown["Status"]), ("in", "UPDATING"))
        self.assertEqual((shown["Protocols"], shown["Dns64Enabled"]), (["Do53", "DoH"], True))
        self.assertEqual(self.endpoint_status(identity), "OPERATIONAL")
        update(ResolverEndpointId=identity, Name="inside")
        shown = self.get_endpoint(identity)
        self.assertEqual((shown["Name"], shown["Protocols"], shown["Dns64Enabled"]), ("inside", ["Do53", "DoH"], True))

    def test_do53_becomes_doh_by_way_of_both(self):
        identity = self.endpoint("INBOUND")
        update = self.resolver.update_resolver_endpoint
        self.refused("InvalidRequestException", "directly", update, ResolverEndpointId=identity, Protocols=["DoH"])
        update(ResolverEndpointId=identity, Protocols=["Do53", "DoH"])
        update(ResolverEndpointId=identity, Protocols=["DoH"])
        self.assertEqual(self.get_endpoint(identity)["Protocols"], ["DoH"])

    def test_types(self):
        addresses = [{"SubnetId": SIX}, {"SubnetId": SIX}]
        six = self.endpoint(addresses=addresses, ResolverEndpointType="IPV6")
        self.assertEqual({each.get("Ip") for each in self.addresses(six)}, {None})
        self.assertEqual({each["Ipv6"] for each in self.addresses(six)}, {"2001:db8:0:6::4", "2001:db8:0:6::5"})
        four = self.endpoint(addresses=addresses)
        update = self.resolver.update_resolver_endpoint
        self.refused("InvalidParameterException", "IPV4 and DUALSTACK", update, ResolverEndpointId=four,
                     ResolverEndpointType="IPV6")
        update(ResolverEndpointId=four, ResolverEndpointType="DUALSTACK")
        self.assertTrue(all(each["Ip"] and each["Ipv6"] for each in self.addresses(four)))
        update(ResolverEndpointId=four, ResolverEndpointType="IPV4")
        self.assertFalse(any("Ipv6" in each for each in self.addresses(four)))

    def test_delegation_endpoints_speak_do53_only(self):
        identity = self.endpoint("INBOUND_DELEGATION")
        self.assertEqual(self.get_endpoint(identity)["Direction"], "INBOUND_DELEGATION")
        self.refused("InvalidParameterException", "protocols", self.endpoint, "INBOUND_DELEGATION", Protocols=["DoH"])

    def test_addresses_that_do_not_fit(self):
        for ip in ("10.20.2.10", "10.20.1.3", "10.20.1.255"):
            self.refused("InvalidRequestException", "[RSLVR-00405]", self.endpoint,
                         addresses=[{"SubnetId": SUBNETS[0], "Ip": ip}, {"SubnetId": SUBNETS[1]}])
        self.refused("InvalidRequestException", "one VPC", self.endpoint,
                     addresses=[{"SubnetId": SUBNETS[0]}, {"SubnetId": OTHER_SUBNET}])
        self.refused("ValidationException", "ipAddresses", self.endpoint, addresses=[{"SubnetId": SUBNETS[0]}])
        self.refused("InvalidParameterException", "subnet-0f", self.endpoint,
                     addresses=[{"SubnetId": "subnet-0ffffffffffffffff"}, {"SubnetId": SUBNETS[0]}])
        self.endpoint(addresses=[{"SubnetId": SUBNETS[0], "Ip": "10.20.1.10"}, {"SubnetId": SUBNETS[1]}])
        self.refused("InvalidRequestException", "already in use", self.endpoint,
                     addresses=[{"SubnetId": SUBNETS[0], "Ip": "10.20.1.10"}, {"SubnetId": SUBNETS[1]}])

    def test_chosen_addresses_keep_clear_of_given_ones(self):
        identity = self.endpoint(addresses=[{"SubnetId": SUBNETS[0]}, {"SubnetId": SUBNETS[0], "Ip": "10.20.1.4"}])
        self.assertEqual({each["Ip"] for each in self.addresses(identity)}, {"10.20.1.4", "10.20.1.5"})

    def test_quotas(self):
        addresses = [{"SubnetId": SUBNETS[0]}] * 7
        self.refused("LimitExceededException", "6", self.endpoint, addresses=addresses)
        full = self.endpoint(addresses=addresses[:6])
        self.refused("LimitExceededException", "6", self.resolver.associate_resolver_endpoint_ip_address,
                     ResolverEndpointId=full, IpAddress={"SubnetId": SUBNETS[1]})
        for _ in range(3):
            self.endpoint(wait=False)
        self.refused("LimitExceededException", "4", self.endpoint)

    def test_a_request_that_comes_again_is_refused(self):
        self.endpoint(wait=False)
        self.number = 0
        self.refused("ResourceExistsException", "creator request ID", self.endpoint)

    def test_what_is_in_use_is_not_deleted(self):
        own = self.ec2.create_security_group(GroupName="own", Description="own", VpcId=VPC)["GroupId"]
        identity = self.endpoint(SecurityGroupIds=[own])
        self.refused("DependencyViolation", SUBNETS[1], self.ec2.delete_subnet, SubnetId=SUBNETS[1])
        self.refused("DependencyViolation", own, self.ec2.delete_security_group, GroupId=own)
        self.resolver.delete_resolver_endpoint(ResolverEndpointId=identity)
        self.eventually(lambda: self.resolver.list_resolver_endpoints()["ResolverEndpoints"], [])
        self.ec2.delete_subnet(SubnetId=SUBNETS[1])
        self.ec2.delete_security_group(GroupId=own)

    def test_an_endpoint_with_rules_stays(self):
        identity = self.endpoint()
        rule = self.rule(identity)["Id"]
        told = self.refused("InvalidRequestException", "[RSLVR-00600]", self.resolver.delete_resolver_endpoint,
                            ResolverEndpointId=identity)
        self.assertIn(rule, told["Error"]["Message"])

    def test_lists_are_filtered_and_paged(self):
        inside, outside = self.endpoint("INBOUND"), self.endpoint(Name="out")

        def listed(name, value):
            found = self.resolver.list_resolver_endpoints(Filters=[{"Name": name, "Values": [value]}])
            return [each["Id"] for each in found["ResolverEndpoints"]]

        self.assertEqual(listed("Direction", "INBOUND"), [inside])
        self.assertEqual(listed("NAME", "out"), [outside])
        self.assertEqual(listed("HOST_VPC_ID", VPC), [inside, outside])
        self.assertEqual(listed("SecurityGroupIds", GROUP), [inside, outside])
        self.refused("InvalidParameterException", "Colour", listed, "Colour", "blue")
        pages = list(self.resolver.get_paginator("list_resolver_endpoints").paginate(
            PaginationConfig={"PageSize": 1}))
        self.assertEqual([len(each["ResolverEndpoints"]) for each in pages], [1, 1])
        self.refused("InvalidNextTokenException", "NextToken", self.resolver.list_resolver_endpoints, NextToken="?")

    def test_an_address_list_has_no_order_but_its_pages_do(self):
        identity = self.endpoint(addresses=[{"SubnetId": SUBNETS[0]}] * 6)
        orders = {tuple(each["IpId"] for each in self.addresses(identity)) for _ in range(20)}
        self.assertGreater(len(orders), 1)
        paginator = self.resolver.get_paginator("list_resolver_endpoint_ip_addresses")
        pages = paginator.paginate(ResolverEndpointId=identity, PaginationConfig={"PageSize": 1})
        self.assertEqual(len({each["IpId"] for page in pages for each in page["IpAddresses"]}), 6)

    def test_names_as_the_model_has_them(self):
        for name in ("a.b", "123", "n" * 65):
            self.refused("ValidationException", "name", self.endpoint, Name=name)

    def test_trouble_can_be_forced(self):
        identity = self.endpoint()
        address = self.addresses(identity)[0]["IpId"]
        self.shim.control("force", {"region": REGION, "id": address, "fields": {"Status": "FAILED_RESOURCE_GONE"}})
        self.shim.control("force", {"region": REGION, "id": identity, "fields": {"Status": "ACTION_NEEDED"}})
        self.assertEqual(self.endpoint_status(identity), "ACTION_NEEDED")
        self.assertIn("FAILED_RESOURCE_GONE", [each["Status"] for each in self.addresses(identity)])
