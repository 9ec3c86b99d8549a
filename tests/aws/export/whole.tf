# Made by `dnsfwd aws export`, for the provider hashicorp/aws 6.x.

provider "aws" {
  region = "eu-central-1"
}

resource "aws_security_group" "anycompany_inbound" {
  name        = "dnsfwd-anycompany-dns-AnyCompany inbound"
  description = "Route 53 Resolver endpoint AnyCompany inbound"
  vpc_id      = "vpc-0a"
  tags = {
    "side" = "in"
  }
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_tcp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_tcp_53_2001_db8_c0___48" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv6         = "2001:db8:c0::/48"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_tcp_443_192_168_0_0_16" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_tcp_443_2001_db8_c0___48" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv6         = "2001:db8:c0::/48"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_udp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_udp_53_2001_db8_c0___48" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv6         = "2001:db8:c0::/48"
}

# Not in here: dns64 of endpoint AnyCompany inbound: the provider has no argument for it.

resource "aws_route53_resolver_endpoint" "anycompany_inbound" {
  name                         = "AnyCompany inbound"
  direction                    = "INBOUND"
  resolver_endpoint_type       = "DUALSTACK"
  protocols                    = ["Do53", "DoH"]
  security_group_ids           = [aws_security_group.anycompany_inbound.id]
  rni_enhanced_metrics_enabled = true
  tags = {
    "side" = "in"
  }

  ip_address {
    subnet_id = "subnet-0a"
    ip        = "10.0.1.250"
    ipv6      = "2001:db8:1::250"
  }

  ip_address {
    subnet_id = "subnet-0b"
    ip        = "10.0.2.250"
    ipv6      = "2001:db8:2::250"
  }
}

# Not in here: ipv6_internet of endpoint AnyCompany outbound: the provider has no argument for it.

resource "aws_route53_resolver_endpoint" "anycompany_outbound" {
  name                               = "AnyCompany outbound"
  direction                          = "OUTBOUND"
  resolver_endpoint_type             = "IPV4"
  protocols                          = ["Do53", "DoH"]
  security_group_ids                 = ["sg-0a", "sg-0b"]
  target_name_server_metrics_enabled = true

  ip_address {
    subnet_id = "subnet-0a"
  }

  ip_address {
    subnet_id = "subnet-0b"
  }
}

import {
  to = aws_route53_resolver_endpoint.anycompany_outbound
  id = "rslvr-out-0123456789abcdef0"
}

resource "aws_security_group" "silent" {
  name        = "dnsfwd-anycompany-dns-silent"
  description = "Route 53 Resolver endpoint silent"
  vpc_id      = "vpc-0b"
}

resource "aws_route53_resolver_endpoint" "silent" {
  name                   = "silent"
  direction              = "OUTBOUND"
  resolver_endpoint_type = "IPV4"
  protocols              = ["Do53"]
  security_group_ids     = [aws_security_group.silent.id]

  ip_address {
    subnet_id = "subnet-0d"
  }

  ip_address {
    subnet_id = "subnet-0e"
  }
}

# Not in here: the name dns.anycompany.example that target 192.168.3.250:443 of rule everything is known by in TLS: the provider has no argument for it.

resource "aws_route53_resolver_rule" "everything" {
  name                 = "everything"
  domain_name          = "."
  rule_type            = "FORWARD"
  resolver_endpoint_id = aws_route53_resolver_endpoint.anycompany_outbound.id
  tags = {
    "cost" = "dns"
  }

  target_ip {
    ip       = "192.168.2.250"
    port     = 5353
    protocol = "Do53"
  }

  target_ip {
    ip       = "192.168.3.250"
    port     = 443
    protocol = "DoH"
  }
}

import {
  to = aws_route53_resolver_rule.everything
  id = "rslvr-rr-0123456789abcdef0"
}

resource "aws_route53_resolver_rule_association" "everything_vpc_0a" {
  name             = "everything"
  resolver_rule_id = aws_route53_resolver_rule.everything.id
  vpc_id           = "vpc-0a"
}

resource "aws_route53_resolver_rule_association" "everything_vpc_0b" {
  name             = "everything"
  resolver_rule_id = aws_route53_resolver_rule.everything.id
  vpc_id           = "vpc-0b"
}

resource "aws_ram_resource_share" "everything" {
  name                      = "everything"
  allow_external_principals = true
  tags = {
    "cost" = "dns"
  }
}

resource "aws_ram_resource_association" "everything" {
  resource_arn       = aws_route53_resolver_rule.everything.arn
  resource_share_arn = aws_ram_resource_share.everything.arn
}

resource "aws_ram_principal_association" "everything_111122223333" {
  principal          = "111122223333"
  resource_share_arn = aws_ram_resource_share.everything.arn
}

resource "aws_ram_principal_association" "everything_ou_abc_1" {
  principal          = "arn:aws:organizations::123456789012:ou/o-abc/ou-abc-1"
  resource_share_arn = aws_ram_resource_share.everything.arn
}

resource "aws_route53_resolver_rule" "over_ipv6" {
  name                 = "over-ipv6"
  domain_name          = "six.anycompany.corp"
  rule_type            = "FORWARD"
  resolver_endpoint_id = aws_route53_resolver_endpoint.anycompany_outbound.id

  target_ip {
    ipv6     = "2001:db8:c0::53"
    port     = 53
    protocol = "Do53"
  }
}

# Not in here: rule delegated (DELEGATE) with its associations and shares: the provider has no argument for a delegation record.

resource "aws_route53_resolver_rule" "aws_services" {
  name        = "aws-services"
  domain_name = "amazonaws.com"
  rule_type   = "SYSTEM"
}

resource "aws_route53_resolver_rule_association" "aws_services_vpc_0a" {
  name             = "aws-services"
  resolver_rule_id = aws_route53_resolver_rule.aws_services.id
  vpc_id           = "vpc-0a"
}

resource "aws_route53_resolver_rule_association" "aws_services_vpc_0b" {
  name             = "aws-services"
  resolver_rule_id = aws_route53_resolver_rule.aws_services.id
  vpc_id           = "vpc-0b"
}

resource "aws_route53_resolver_query_log_config" "queries" {
  name            = "queries"
  destination_arn = "arn:aws:s3:::anycompany-dns-logs/eu"
}

import {
  to = aws_route53_resolver_query_log_config.queries
  id = "rqlc-0123456789abcdef"
}

resource "aws_route53_resolver_query_log_config_association" "queries_vpc_0a" {
  resolver_query_log_config_id = aws_route53_resolver_query_log_config.queries.id
  resource_id                  = "vpc-0a"
}

resource "aws_route53_resolver_query_log_config_association" "queries_vpc_0b" {
  resolver_query_log_config_id = aws_route53_resolver_query_log_config.queries.id
  resource_id                  = "vpc-0b"
}

resource "aws_route53_resolver_dnssec_config" "vpc_0a" {
  resource_id = "vpc-0a"
}

resource "aws_route53_resolver_config" "vpc_0a" {
  resource_id              = "vpc-0a"
  autodefined_reverse_flag = "DISABLE"
}

# Not in here: DNSSEC validation switched off for vpc-0b: the provider can only switch it on.

resource "aws_route53_resolver_config" "vpc_0b" {
  resource_id              = "vpc-0b"
  autodefined_reverse_flag = "ENABLE"
}

resource "aws_ec2_client_vpn_authorization_rule" "cvpn_endpoint_0a_10_0_1_250" {
  client_vpn_endpoint_id = "cvpn-endpoint-0a"
  target_network_cidr    = "10.0.1.250/32"
  access_group_id        = "S-1-5-21-1"
  description            = "DNS server 10.0.1.250"
}

resource "aws_ec2_client_vpn_authorization_rule" "cvpn_endpoint_0a_10_0_2_250" {
  client_vpn_endpoint_id = "cvpn-endpoint-0a"
  target_network_cidr    = "10.0.2.250/32"
  access_group_id        = "S-1-5-21-1"
  description            = "DNS server 10.0.2.250"
}

# Not in here: DNS servers 10.0.1.250, 10.0.2.250 of Client VPN endpoint cvpn-endpoint-0a: write them where that endpoint is defined.

# Not in here: routes of Client VPN endpoint cvpn-endpoint-0a to its DNS servers: they need the subnets that it is associated with; a route to the whole VPC is there by association.

# Not in here: permission for the subnets of Client VPN endpoint cvpn-endpoint-0a in the security group of endpoint AnyCompany inbound: add their networks to its `allow`.
