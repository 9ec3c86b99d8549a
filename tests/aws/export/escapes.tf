# Made by `dnsfwd aws export`, for the provider hashicorp/aws 6.x.

provider "aws" {
  region = "us-gov-west-1"
}

resource "aws_security_group" "it_s_in" {
  name        = "dnsfwd-anycompany-dns-It-s in"
  description = "Route 53 Resolver endpoint It-s in"
  vpc_id      = "vpc-0a"
  tags = {
    "a \"key\"" = "$${var.secret} %%{ if true } \\ \"x\" \u0024$${y} 100%"
  }
}

resource "aws_vpc_security_group_ingress_rule" "it_s_in_tcp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.it_s_in.id
  ip_protocol       = "tcp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_vpc_security_group_ingress_rule" "it_s_in_udp_53_192_168_0_0_16" {
  security_group_id = aws_security_group.it_s_in.id
  ip_protocol       = "udp"
  from_port         = 53
  to_port           = 53
  cidr_ipv4         = "192.168.0.0/16"
}

resource "aws_route53_resolver_endpoint" "it_s_in" {
  name                   = "It's in"
  direction              = "INBOUND"
  resolver_endpoint_type = "IPV4"
  protocols              = ["Do53"]
  security_group_ids     = [aws_security_group.it_s_in.id]
  tags = {
    "a \"key\"" = "$${var.secret} %%{ if true } \\ \"x\" \u0024$${y} 100%"
  }

  ip_address {
    subnet_id = "subnet-0a"
    ip        = "10.0.1.250"
  }

  ip_address {
    subnet_id = "subnet-0b"
    ip        = "10.0.2.250"
  }
}

resource "aws_route53_resolver_endpoint" "it_s_in_2" {
  name                   = "It-s in"
  direction              = "INBOUND_DELEGATION"
  resolver_endpoint_type = "IPV4"
  protocols              = ["Do53"]
  security_group_ids     = ["sg-0a"]
  tags = {
    "a \"key\"" = "$${var.secret} %%{ if true } \\ \"x\" \u0024$${y} 100%"
  }

  ip_address {
    subnet_id = "subnet-0a"
    ip        = "10.0.1.251"
  }

  ip_address {
    subnet_id = "subnet-0b"
    ip        = "10.0.2.251"
  }
}

resource "aws_route53_resolver_rule" "n_10_1_in_addr" {
  name        = "10-1 in-addr"
  domain_name = "1.10.in-addr.arpa"
  rule_type   = "SYSTEM"
  tags = {
    "a \"key\"" = "$${var.secret} %%{ if true } \\ \"x\" \u0024$${y} 100%"
  }
}

resource "aws_route53_resolver_rule" "n_10_1_in_addr_2" {
  name        = "10_1-in addr"
  domain_name = "2.10.in-addr.arpa"
  rule_type   = "SYSTEM"
  tags = {
    "a \"key\"" = "$${var.secret} %%{ if true } \\ \"x\" \u0024$${y} 100%"
  }
}

# Not in here: DNS servers 10.0.1.250 of Client VPN endpoint cvpn-endpoint-0a: write them where that endpoint is defined.
