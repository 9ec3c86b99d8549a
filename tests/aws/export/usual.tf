# Made by `dnsfwd aws export`, for the provider hashicorp/aws 6.x.

provider "aws" {
  region = "ap-northeast-2"
}

resource "aws_security_group" "anycompany_inbound" {
  name        = "dnsfwd-anycompany-dns-anycompany-inbound"
  description = "Route 53 Resolver endpoint anycompany-inbound"
  vpc_id      = "vpc-0a1b2c3d4e5f60718"
  tags = {
    "team" = "network"
  }
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_tcp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_ingress_rule" "anycompany_inbound_udp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.anycompany_inbound.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_route53_resolver_endpoint" "anycompany_inbound" {
  name                   = "anycompany-inbound"
  direction              = "INBOUND"
  resolver_endpoint_type = "IPV4"
  protocols              = ["Do53"]
  security_group_ids     = [aws_security_group.anycompany_inbound.id]
  tags = {
    "team" = "network"
  }

  ip_address {
    subnet_id = "subnet-0aaa"
    ip        = "10.0.1.250"
  }

  ip_address {
    subnet_id = "subnet-0ccc"
    ip        = "10.0.2.250"
  }
}

resource "aws_security_group" "anycompany_outbound" {
  name        = "dnsfwd-anycompany-dns-anycompany-outbound"
  description = "Route 53 Resolver endpoint anycompany-outbound"
  vpc_id      = "vpc-0a1b2c3d4e5f60718"
  tags = {
    "team" = "network"
  }
}

resource "aws_vpc_security_group_egress_rule" "anycompany_outbound_tcp_53_192_168_2_250_32" {
  security_group_id = aws_security_group.anycompany_outbound.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.2.250/32"
}

resource "aws_vpc_security_group_egress_rule" "anycompany_outbound_tcp_53_192_168_3_250_32" {
  security_group_id = aws_security_group.anycompany_outbound.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.3.250/32"
}

resource "aws_vpc_security_group_egress_rule" "anycompany_outbound_udp_53_192_168_2_250_32" {
  security_group_id = aws_security_group.anycompany_outbound.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.2.250/32"
}

resource "aws_vpc_security_group_egress_rule" "anycompany_outbound_udp_53_192_168_3_250_32" {
  security_group_id = aws_security_group.anycompany_outbound.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.3.250/32"
}

resource "aws_route53_resolver_endpoint" "anycompany_outbound" {
  name                   = "anycompany-outbound"
  direction              = "OUTBOUND"
  resolver_endpoint_type = "IPV4"
  protocols              = ["Do53"]
  security_group_ids     = [aws_security_group.anycompany_outbound.id]
  tags = {
    "team" = "network"
  }

  ip_address {
    subnet_id = "subnet-0aaa"
  }

  ip_address {
    subnet_id = "subnet-0ccc"
  }
}

resource "aws_route53_resolver_rule" "anycompany_corp" {
  name                 = "anycompany-corp"
  domain_name          = "anycompany.corp"
  rule_type            = "FORWARD"
  resolver_endpoint_id = aws_route53_resolver_endpoint.anycompany_outbound.id
  tags = {
    "team" = "network"
  }

  target_ip {
    ip       = "192.168.2.250"
    port     = 53
    protocol = "Do53"
  }

  target_ip {
    ip       = "192.168.3.250"
    port     = 53
    protocol = "Do53"
  }
}

resource "aws_route53_resolver_rule_association" "anycompany_corp_vpc_0a1b2c3d4e5f60718" {
  name             = "anycompany-corp"
  resolver_rule_id = aws_route53_resolver_rule.anycompany_corp.id
  vpc_id           = "vpc-0a1b2c3d4e5f60718"
}

resource "aws_route53_resolver_rule" "aws_anycompany_corp" {
  name        = "aws-anycompany-corp"
  domain_name = "aws.anycompany.corp"
  rule_type   = "SYSTEM"
  tags = {
    "team" = "network"
  }
}

resource "aws_route53_resolver_rule_association" "aws_anycompany_corp_vpc_0a1b2c3d4e5f60718" {
  name             = "aws-anycompany-corp"
  resolver_rule_id = aws_route53_resolver_rule.aws_anycompany_corp.id
  vpc_id           = "vpc-0a1b2c3d4e5f60718"
}
