"""The shim's Client VPN and its RAM."""

from shim_client import GROUP, OTHER_SUBNET, SUBNETS, VPC, VPN, Test


class ClientVpn(Test):
    def routes(self, **more):
        return self.ec2.describe_client_vpn_routes(ClientVpnEndpointId=VPN, **more)["Routes"]

    def route_states(self):
        return {each["DestinationCidr"]: each["Status"]["Code"] for each in self.routes()}

    def authorizations(self):
        found = self.ec2.describe_client_vpn_authorization_rules(ClientVpnEndpointId=VPN)["AuthorizationRules"]
        return {each["DestinationCidr"]: each["Status"]["Code"] for each in found}

    def create_route(self, cidr="10.99.0.0/16", subnet=SUBNETS[0], **more):
        return self.ec2.create_client_vpn_route(ClientVpnEndpointId=VPN, DestinationCidrBlock=cidr,
                                                TargetVpcSubnetId=subnet, **more)

    def test_what_was_seeded(self):
        [shown] = self.ec2.describe_client_vpn_endpoints(ClientVpnEndpointIds=[VPN])["ClientVpnEndpoints"]
        self.assertEqual((shown["VpcId"], shown["SecurityGroupIds"]), (VPC, [GROUP]))
        self.assertEqual((shown["Status"]["Code"], shown["SplitTunnel"]), ("available", False))
        [network] = self.ec2.describe_client_vpn_target_networks(ClientVpnEndpointId=VPN)["ClientVpnTargetNetworks"]
        self.assertEqual((network["TargetNetworkId"], network["Status"]["Code"]), (SUBNETS[0], "associated"))
        self.refused("InvalidClientVpnEndpointId.NotFound", "cvpn-endpoint-0f",
                     self.ec2.describe_client_vpn_endpoints, ClientVpnEndpointIds=["cvpn-endpoint-0f"])

    def test_what_it_uses_is_not_deleted(self):
        self.refused("DependencyViolation", SUBNETS[0], self.ec2.delete_subnet, SubnetId=SUBNETS[0])
        self.refused("DependencyViolation", GROUP, self.ec2.delete_security_group, GroupId=GROUP)

    def dns_servers(self):
        return self.ec2.describe_client_vpn_endpoints()["ClientVpnEndpoints"][0]["DnsServers"]

    def test_dns_servers(self):
        modify = self.ec2.modify_client_vpn_endpoint
        answer = modify(ClientVpnEndpointId=VPN, DnsServers={"CustomDnsServers": ["10.20.1.10", "10.20.2.10"]})
        self.assertTrue(answer["Return"])
        self.assertEqual(self.dns_servers(), ["10.20.1.10", "10.20.2.10"])
        modify(ClientVpnEndpointId=VPN, SplitTunnel=True)
        self.assertEqual(self.dns_servers(), ["10.20.1.10", "10.20.2.10"])
        for wrong in (["192.0.2.1", "192.0.2.2", "192.0.2.3"], ["2001:db8::1"]):
            self.refused("InvalidParameterValue", "two IPv4", modify, ClientVpnEndpointId=VPN,
                         DnsServers={"CustomDnsServers": wrong})
        modify(ClientVpnEndpointId=VPN, DnsServers={"Enabled": False})
        self.assertEqual(self.dns_servers(), [])

    def test_routes_come_and_go(self):
        self.shim.control("settings", {"pace": {"looks": 1}})
        self.assertEqual(self.create_route()["Status"]["Code"], "creating")
        self.assertEqual([self.route_states()["10.99.0.0/16"] for _ in range(2)], ["creating", "active"])
        self.assertEqual(len(self.routes(Filters=[{"Name": "origin", "Values": ["add-route"]}])), 1)
        self.refused("InvalidClientVpnDuplicateRoute", "10.99", self.create_route)
        self.refused("InvalidClientVpnSubnetId.NotFound", OTHER_SUBNET, self.create_route, subnet=OTHER_SUBNET)
        delete = self.ec2.delete_client_vpn_route
        delete(ClientVpnEndpointId=VPN, DestinationCidrBlock="10.99.0.0/16", TargetVpcSubnetId=SUBNETS[0])
        self.assertEqual(self.route_states()["10.99.0.0/16"], "deleting")
        self.assertNotIn("10.99.0.0/16", self.route_states())
        self.refused("InvalidClientVpnRouteNotFound", "10.99", delete, ClientVpnEndpointId=VPN,
                     DestinationCidrBlock="10.99.0.0/16", TargetVpcSubnetId=SUBNETS[0])
        self.refused("InvalidParameterValue", "target network", delete, ClientVpnEndpointId=VPN,
                     DestinationCidrBlock="10.20.0.0/16", TargetVpcSubnetId=SUBNETS[0])

    def test_authorizations_come_and_go(self):
        self.shim.control("settings", {"pace": {"looks": 1}})
        whom = {"ClientVpnEndpointId": VPN, "TargetNetworkCidr": "10.20.1.10/32"}
        authorize, revoke = self.ec2.authorize_client_vpn_ingress, self.ec2.revoke_client_vpn_ingress
        self.refused("InvalidParameterCombination", "AccessGroupId", authorize, **whom)
        self.assertEqual(authorize(AuthorizeAllGroups=True, **whom)["Status"]["Code"], "authorizing")
        self.assertEqual([self.authorizations() for _ in range(2)],
                         [{"10.20.1.10/32": "authorizing"}, {"10.20.1.10/32": "active"}])
        self.refused("InvalidClientVpnDuplicateAuthorizationRule", "10.20", authorize, AuthorizeAllGroups=True, **whom)
        revoke(RevokeAllGroups=True, **whom)
        self.assertEqual([self.authorizations() for _ in range(2)], [{"10.20.1.10/32": "revoking"}, {}])
        self.refused("InvalidClientVpnEndpointAuthorizationRuleNotFound", "10.20", revoke, RevokeAllGroups=True, **whom)

    def test_the_same_token_does_it_once(self):
        first = self.create_route(ClientToken="token")
        self.assertEqual(self.create_route(ClientToken="token")["Status"], first["Status"])
        self.refused("IdempotentParameterMismatch", "token", self.create_route, "10.98.0.0/16", ClientToken="token")

    def test_a_dry_run_changes_nothing(self):
        self.refused("DryRunOperation", "would have succeeded", self.create_route, DryRun=True)
        self.refused("DryRunOperation", "would have succeeded", self.ec2.create_vpc, CidrBlock="10.40.0.0/16",
                     DryRun=True)
        self.assertEqual(len(self.routes()), 1)


class Ram(Test):
    CONSUMER = "210987654321"

    def setUp(self):
        super().setUp()
        self.rule_arn = self.rule(kind="SYSTEM", domain="corp.example")["Arn"]

    def share_status(self):
        return self.get_rule(self.rule_arn.rpartition("/")[2])["ShareStatus"]

    def create(self, **more):
        return self.ram.create_resource_share(name="rules", **more)["resourceShare"]["resourceShareArn"]

    def parts(self, share, kind="PRINCIPAL"):
        found = self.ram.get_resource_share_associations(associationType=kind, resourceShareArns=[share])
        return {each["associatedEntity"]: each["status"] for each in found["resourceShareAssociations"]}

    def test_a_rule_is_shared_and_taken_back(self):
        self.assertEqual(self.share_status(), "NOT_SHARED")
        share = self.create(resourceArns=[self.rule_arn])
        self.eventually(lambda: self.parts(share, "RESOURCE"), {self.rule_arn: "ASSOCIATED"})
        self.assertEqual(self.share_status(), "NOT_SHARED")
        self.shim.control("settings", {"pace": {"looks": 1}})
        self.ram.associate_resource_share(resourceShareArn=share, principals=[self.CONSUMER])
        self.assertEqual([self.parts(share) for _ in range(2)],
                         [{self.CONSUMER: "ASSOCIATING"}, {self.CONSUMER: "ASSOCIATED"}])
        self.assertEqual(self.share_status(), "SHARED_BY_ME")
        [resource] = self.ram.list_resources(resourceOwner="SELF")["resources"]
        self.assertEqual((resource["arn"], resource["type"]), (self.rule_arn, "route53resolver:ResolverRule"))
        [principal] = self.ram.list_principals(resourceOwner="SELF")["principals"]
        self.assertEqual((principal["id"], principal["external"]), (self.CONSUMER, True))
        self.assertEqual(self.ram.list_resources(resourceOwner="OTHER-ACCOUNTS")["resources"], [])
        self.ram.disassociate_resource_share(resourceShareArn=share, principals=[self.CONSUMER])
        self.assertEqual(self.share_status(), "NOT_SHARED")
        self.assertEqual([self.parts(share) for _ in range(2)],
                         [{self.CONSUMER: "DISASSOCIATING"}, {self.CONSUMER: "DISASSOCIATED"}])

    def test_a_deleted_share_is_listed_as_such(self):
        share = self.create(resourceArns=[self.rule_arn], principals=[self.CONSUMER])

        def status():
            [found] = self.ram.get_resource_shares(resourceOwner="SELF", resourceShareArns=[share])["resourceShares"]
            return found["status"]

        self.shim.control("settings", {"pace": {"looks": 1}})
        self.ram.delete_resource_share(resourceShareArn=share)
        self.assertEqual([status(), status()], ["DELETING", "DELETED"])
        self.refused("InvalidStateTransitionException", "DELETED", self.ram.associate_resource_share,
                     resourceShareArn=share, principals=[self.CONSUMER])

    def test_the_same_token_does_it_once(self):
        first = self.create(clientToken="token")
        self.assertEqual(self.create(clientToken="token"), first)
        self.refused("IdempotentParameterMismatchException", "token", self.ram.create_resource_share, name="other",
                     clientToken="token")
        # Without a token there are two of the same name.
        self.assertNotEqual(self.create(), first)
        found = self.ram.get_resource_shares(resourceOwner="SELF", name="rules")["resourceShares"]
        self.assertEqual(len(found), 2)

    def test_tags_find_a_share(self):
        share = self.create(tags=[{"key": "owner", "value": "dns"}])
        self.create()
        self.ram.tag_resource(resourceShareArn=share, tags=[{"key": "stage", "value": "test"}])
        found = self.ram.get_resource_shares(
            resourceOwner="SELF", tagFilters=[{"tagKey": "stage", "tagValues": ["test"]}])["resourceShares"]
        self.assertEqual([each["resourceShareArn"] for each in found], [share])

    def test_what_is_unknown_or_malformed(self):
        ghost = self.rule_arn[:-17] + "0" * 17
        create = self.ram.create_resource_share
        self.refused("UnknownResourceException", ghost, create, name="x", resourceArns=[ghost])
        self.refused("MalformedArnException", "rule", create, name="x", resourceArns=["rule"])
        self.refused("InvalidParameterException", "me", create, name="x", principals=["me"])
        self.refused("UnknownResourceException", "resource-share/none", self.ram.get_resource_shares,
                     resourceOwner="SELF",
                     resourceShareArns=["arn:aws:ram:eu-central-1:123456789012:resource-share/none"])
        self.assertEqual(self.ram.get_resource_shares(resourceOwner="SELF")["resourceShares"], [])
