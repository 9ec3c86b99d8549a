"""What exists: one account's objects in one Region, kept as the API shows them. Members that begin with `_` are
ours and are never shown. The network under them (VPCs, subnets, security groups) is moto's.
"""

import datetime
import secrets

from .network import Network

ACCOUNT = "123456789012"

# Route 53 Developer Guide, quotas on Route 53 VPC Resolver. Tests lower them over /shim/settings.
QUOTAS = {
    "endpoints": 4,
    "addresses_per_endpoint": 6,
    "targets_per_rule": 6,
    "rules": 1000,
    "rule_associations": 2000,
    "query_log_configs": 20,
    "query_log_associations": 100,
    "tags": 200,
    # AWS Client VPN Administrator Guide, quotas.
    "vpn_routes": 10,
    "vpn_authorizations": 50,
}


class World:
    KINDS = ("endpoints", "rules", "rule_associations", "resolver_configs", "dnssec_configs", "query_logs",
             "query_log_associations", "vpns", "shares", "share_associations")

    def __init__(self, region, pace, quotas):
        self.region = region
        self.network = Network(ACCOUNT, region)
        self.pace, self.quotas = pace, quotas
        self.tags = {}
        self.tokens = {}
        # The fewest ATTACHED addresses of each endpoint since it was OPERATIONAL for the first time.
        self.fewest_attached = {}
        for kind in self.KINDS:
            setattr(self, kind, {})

    def arn(self, kind, identity):
        return f"arn:aws:route53resolver:{self.region}:{ACCOUNT}:{kind}/{identity}"

    def count_attached(self):
        """ATTACHED addresses of each endpoint now; what sinks below the lowest so far is kept."""
        counts = {}
        for identity, endpoint in self.endpoints.items():
            counts[identity] = sum(address["Status"] == "ATTACHED" for address in endpoint["_addresses"].values())
            if endpoint["_operational_once"] and not endpoint["_deleting"]:
                least = self.fewest_attached.get(identity, counts[identity])
                self.fewest_attached[identity] = min(least, counts[identity])
        return counts

    def find(self, identity):
        """Any object of ours, addresses among them."""
        addresses = [each for endpoint in self.endpoints.values() for each in endpoint["_addresses"].values()]
        everything = addresses + [each for kind in self.KINDS for each in getattr(self, kind).values()]
        for item in everything:
            if identity in (item.get(name) for name in ("IpId", "Id", "ClientVpnEndpointId", "resourceShareArn")):
                return item
        raise KeyError(identity)

    def dump(self):
        told = {kind: list(getattr(self, kind).values()) for kind in self.KINDS}
        attached = self.count_attached()
        return {"region": self.region, "account": ACCOUNT, **told, "tags": self.tags, "attached": attached,
                "fewest_attached": self.fewest_attached, **self.network.dump()}


def fresh(prefix):
    """An identity as AWS makes them: a prefix and 17 hexadecimal digits."""
    return f"{prefix}-{secrets.token_hex(9)[:17]}"


def now():
    """Resolver API model, Rfc3339TimeString: 2006-01-02T15:04:05.999999999Z."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def shown(item):
    return {name: value for name, value in item.items() if not name.startswith("_") and value is not None}
