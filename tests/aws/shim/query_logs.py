"""Query log configurations and the VPCs they are associated with."""

import re

from .errors import AwsError, exists, invalid, limit, not_found
from .paging import filtered, page
from .world import ACCOUNT, fresh, now, shown

KIND = "resolver-query-log-config"
# Route 53 Developer Guide: CloudWatch Logs, S3 and Firehose can be destinations.
PLACE = r"[a-z0-9-]+:\d{12}"
DESTINATION = rf"arn:aws[a-z-]*:(logs:{PLACE}:log-group:.+|s3:::.+|firehose:{PLACE}:deliverystream/.+)"


def create(world, arguments):
    request = arguments["CreatorRequestId"]
    if any(each["CreatorRequestId"] == request for each in world.query_logs.values()):
        raise exists(KIND, f"Resolver query log config with creator request ID '{request}' already exists")
    if len(world.query_logs) >= world.quotas["query_log_configs"]:
        raise limit("max-query-log-configs", world.quotas["query_log_configs"])
    if not re.fullmatch(DESTINATION, arguments["DestinationArn"]):
        # LocalStack's resolver provider, for the code.
        raise invalid("[RSLVR-01014] The Amazon Resource Name (ARN) for the destination is not valid")
    identity = fresh("rqlc")
    config = {
        "Id": identity, "OwnerId": ACCOUNT, "Status": "CREATING", "ShareStatus": "NOT_SHARED",
        "Arn": world.arn(KIND, identity), "Name": arguments["Name"], "DestinationArn": arguments["DestinationArn"],
        "CreatorRequestId": request, "CreationTime": now(),
    }
    world.query_logs[identity] = config
    world.tags[config["Arn"]] = list(arguments.get("Tags") or [])
    world.pace.later(identity, lambda: config.update(Status="CREATED"))
    return {"ResolverQueryLogConfig": show(world, config)}


def show(world, config):
    return {**shown(config), "AssociationCount": len(associations_of(world, config))}


def associations_of(world, config):
    return [each for each in world.query_log_associations.values()
            if each["ResolverQueryLogConfigId"] == config["Id"]]


def find(world, identity):
    if identity not in world.query_logs:
        # LocalStack's resolver provider.
        raise AwsError("ResourceNotFoundException", "[RSLVR-01601] The specified query logging configuration doesn't "
                       "exist.", ResourceType=KIND)
    return world.query_logs[identity]


def get(world, arguments):
    config = find(world, arguments["ResolverQueryLogConfigId"])
    answer = {"ResolverQueryLogConfig": show(world, config)}
    world.pace.looked_at({config["Id"]})
    return answer


def sorted_page(world, key, told, arguments):
    """Both lists: filters, order, totals."""
    chosen = filtered(key, told, arguments.get("Filters"))
    if by := arguments.get("SortBy"):
        chosen = sorted(chosen, key=lambda each: str(each.get(by)), reverse=arguments.get("SortOrder") == "DESCENDING")
    answer = page(world, key, chosen, arguments)
    world.pace.looked_at({each["Id"] for each in answer[key]})
    return {**answer, "TotalCount": len(told), "TotalFilteredCount": len(chosen)}


def list_all(world, arguments):
    told = [show(world, each) for each in world.query_logs.values()]
    return sorted_page(world, "ResolverQueryLogConfigs", told, arguments)


def delete(world, arguments):
    """Resolver API model, DeleteResolverQueryLogConfig: not before it is disassociated from all VPCs."""
    config = find(world, arguments["ResolverQueryLogConfigId"])
    if associations_of(world, config):
        raise invalid("The query logging configuration is associated with VPCs. Disassociate it from them first.")
    if config["Status"] != "DELETING":
        config["Status"] = "DELETING"
        world.pace.forget(config["Id"])
        world.pace.later(config["Id"], lambda: vanish(world, config))
    return {"ResolverQueryLogConfig": show(world, config)}


def vanish(world, config):
    world.tags.pop(config["Arn"], None)
    world.query_logs.pop(config["Id"], None)


def associate(world, arguments):
    config, vpc = find(world, arguments["ResolverQueryLogConfigId"]), arguments["ResourceId"]
    if world.network.vpc(vpc) is None:
        raise not_found("vpc", vpc)
    if config["Status"] == "DELETING":
        raise invalid("The query logging configuration is being deleted")  # Our assumption.
    others = associations_of(world, config)
    if any(each["ResourceId"] == vpc for each in others):
        raise exists("resolver-query-log-config-association", f"Resolver query log config '{config['Id']}' is already "
                     f"associated with VPC '{vpc}'")
    if len(others) >= world.quotas["query_log_associations"]:
        raise limit("max-query-log-config-associations", world.quotas["query_log_associations"])
    identity = fresh("rqlca")
    association = {"Id": identity, "ResolverQueryLogConfigId": config["Id"], "ResourceId": vpc, "Status": "CREATING",
                   "Error": "NONE", "ErrorMessage": "", "CreationTime": now()}
    world.query_log_associations[identity] = association
    world.pace.later(identity, lambda: association.update(Status="ACTIVE"))
    return {"ResolverQueryLogConfigAssociation": shown(association)}


def disassociate(world, arguments):
    config = find(world, arguments["ResolverQueryLogConfigId"])
    for association in associations_of(world, config):
        if association["ResourceId"] == arguments["ResourceId"]:
            if association["Status"] != "DELETING":
                identity = association["Id"]
                association["Status"] = "DELETING"
                world.pace.forget(identity)
                world.pace.later(identity, lambda: world.query_log_associations.pop(identity, None))
            return {"ResolverQueryLogConfigAssociation": shown(association)}
    raise no_association()


def no_association():
    # LocalStack's resolver provider.
    return AwsError("ResourceNotFoundException", "[RSLVR-01602] The specified query logging configuration association "
                    "doesn't exist.", ResourceType="resolver-query-log-config-association")


def get_association(world, arguments):
    association = world.query_log_associations.get(arguments["ResolverQueryLogConfigAssociationId"])
    if association is None:
        raise no_association()
    answer = {"ResolverQueryLogConfigAssociation": shown(association)}
    world.pace.looked_at({association["Id"]})
    return answer


def list_associations(world, arguments):
    told = [shown(each) for each in world.query_log_associations.values()]
    return sorted_page(world, "ResolverQueryLogConfigAssociations", told, arguments)


OPERATIONS = {
    "CreateResolverQueryLogConfig": create,
    "GetResolverQueryLogConfig": get,
    "ListResolverQueryLogConfigs": list_all,
    "DeleteResolverQueryLogConfig": delete,
    "AssociateResolverQueryLogConfig": associate,
    "DisassociateResolverQueryLogConfig": disassociate,
    "GetResolverQueryLogConfigAssociation": get_association,
    "ListResolverQueryLogConfigAssociations": list_associations,
}
