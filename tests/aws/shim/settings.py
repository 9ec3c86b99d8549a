"""What a VPC is set to: reverse lookups by autodefined rules, and DNSSEC validation. And the tags of everything."""

from .errors import AwsError, invalid_parameter, not_found
from .paging import filtered, page
from .world import ACCOUNT, fresh

# Resolver API model, AutodefinedReverseFlag and Validation: the state on the way and the one at the end.
STATES = {
    "ENABLE": ("ENABLING", "ENABLED"),
    "DISABLE": ("DISABLING", "DISABLED"),
    "USE_LOCAL_RESOURCE_SETTING": ("UPDATING_TO_USE_LOCAL_RESOURCE_SETTING", "USE_LOCAL_RESOURCE_SETTING"),
}


class Setting:
    """One of the two kinds. `initial` is what a VPC has that nobody ever set."""

    def __init__(self, store, prefix, member, lists, state, initial):
        self.store, self.prefix, self.member, self.lists = store, prefix, member, lists
        self.state, self.initial = state, initial

    def find(self, world, vpc):
        """Our assumption: an unset one has an ID as well, and that stays the same."""
        if world.network.vpc(vpc) is None:
            raise not_found("vpc", vpc)
        known = getattr(world, self.store)
        if vpc not in known:
            known[vpc] = {"Id": fresh(self.prefix), "ResourceId": vpc, "OwnerId": ACCOUNT, self.state: self.initial,
                          "_set": False}
        return known[vpc]

    def get(self, world, arguments):
        config = self.find(world, arguments["ResourceId"])
        answer = {self.member: self.shown(config)}
        world.pace.looked_at({config["Id"]})
        return answer

    def update(self, world, arguments, flag):
        config = self.find(world, arguments["ResourceId"])
        passing, final = STATES[flag]
        config["_set"] = True
        if config[self.state] not in (passing, final):
            config[self.state] = passing
            world.pace.forget(config["Id"])
            world.pace.later(config["Id"], lambda: config.update({self.state: final}))
        return {self.member: self.shown(config)}

    def list_all(self, world, arguments):
        """Resolver API model: "configurations that you have defined"; we take it as those that were set."""
        told = [self.shown(each) for each in getattr(world, self.store).values() if each["_set"]]
        answer = page(world, self.lists, filtered(self.lists, told, arguments.get("Filters")), arguments)
        world.pace.looked_at({each["Id"] for each in answer[self.lists]})
        return answer

    @staticmethod
    def shown(config):
        return {name: value for name, value in config.items() if not name.startswith("_")}


# Route 53 Developer Guide: reverse lookups are on and validation is off until they are changed.
REVERSE = Setting("resolver_configs", "rslvr-rc", "ResolverConfig", "ResolverConfigs", "AutodefinedReverse", "ENABLED")
DNSSEC = Setting("dnssec_configs", "rdsc", "ResolverDNSSECConfig", "ResolverDnssecConfigs", "ValidationStatus",
                 "DISABLED")


def tags_of(world, arn):
    if ":autodefined-rule/" in arn:
        # terraform-provider-aws: tags of rules found by a data source.
        raise AwsError("InvalidRequestException", "[RSLVR-00903] Cannot tag Auto Defined Rule")
    if arn not in world.tags:
        raise not_found("resource", arn)
    return world.tags[arn]


def tag(world, arguments):
    tags = tags_of(world, arguments["ResourceArn"])
    wanted = {each["Key"]: each["Value"] for each in tags} | {each["Key"]: each["Value"] for each in arguments["Tags"]}
    if any(key.lower().startswith("aws:") for key in wanted):
        raise AwsError("InvalidTagException", "Tag keys must not begin with 'aws:'")
    if len(wanted) > world.quotas["tags"]:
        raise invalid_parameter("Tags", f"A resource has at most {world.quotas['tags']} tags")
    tags[:] = [{"Key": key, "Value": value} for key, value in wanted.items()]
    return {}


def untag(world, arguments):
    tags = tags_of(world, arguments["ResourceArn"])
    tags[:] = [each for each in tags if each["Key"] not in arguments["TagKeys"]]
    return {}


def list_tags(world, arguments):
    return page(world, "Tags", tags_of(world, arguments["ResourceArn"]), arguments)


OPERATIONS = {
    "GetResolverConfig": REVERSE.get,
    "ListResolverConfigs": REVERSE.list_all,
    "UpdateResolverConfig": lambda world, given: REVERSE.update(world, given, given["AutodefinedReverseFlag"]),
    "GetResolverDnssecConfig": DNSSEC.get,
    "ListResolverDnssecConfigs": DNSSEC.list_all,
    "UpdateResolverDnssecConfig": lambda world, given: DNSSEC.update(world, given, given["Validation"]),
    "TagResource": tag,
    "UntagResource": untag,
    "ListTagsForResource": list_tags,
}
