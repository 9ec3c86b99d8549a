//! All operations that the provisioner asks of AWS, and those that AWS then does with the caller's session. The one list
//! of both: a test holds it against the code that asks.

/// One operation, which is an IAM action too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `route53resolver`, `ec2`, `ram`, `logs`, `s3`, `firehose`, `iam`.
    pub service: &'static str,
    pub name: &'static str,
    pub command: Command,
    pub when: When,
    pub on: On,
}

/// From which command on it is needed. Applying begins with planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    Plan,
    Apply,
}

/// What in a configuration needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// An endpoint, whose security group may be somebody else's.
    Endpoint,
    /// An endpoint with IPv6 addresses.
    Ipv6,
    /// An endpoint whose security group is made.
    OwnGroup,
    Rule,
    Share,
    QueryLog,
    /// A query log that goes to a log group, a bucket, a delivery stream.
    ToLogGroup,
    ToBucket,
    ToStream,
    Dnssec,
    Reverse,
    ClientVpn,
}

/// On what it is allowed, and on which condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// Lists and descriptions: AWS knows no resource for most of them.
    Look,
    Endpoints,
    Rules,
    /// Rules of other accounts too: they can be associated when they are shared.
    AnyRule,
    QueryLogs,
    VpcSettings,
    ResolverTags,
    /// What Resolver does to network interfaces with the caller's session.
    Interfaces,
    NewGroup,
    NewGroupVpc,
    NewGroupTags,
    OurGroups,
    NewShare,
    NewShareTags,
    OurShares,
    ClientVpns,
    LogDelivery,
    Buckets,
    Streams,
    DeliveryRole,
}

use Command::{Apply, Plan};

macro_rules! operations {
    ($($service:literal $command:ident $when:ident $on:ident: $($name:literal)+;)+) => {
        &[$($(Operation {
            service: $service,
            name: $name,
            command: $command,
            when: When::$when,
            on: On::$on,
        },)+)+]
    };
}

/// What `aws::cloud` calls. STS's GetCallerIdentity needs no permission.
pub const CALLED: &[Operation] = operations! {
    "route53resolver" Plan Always Look:
        "ListResolverEndpoints" "ListResolverEndpointIpAddresses" "ListResolverRules" "ListResolverRuleAssociations"
        "ListResolverQueryLogConfigs" "ListResolverQueryLogConfigAssociations" "ListTagsForResource";
    "route53resolver" Plan Dnssec Look: "GetResolverDnssecConfig";
    "route53resolver" Plan Reverse Look: "GetResolverConfig";
    "ec2" Plan Always Look: "DescribeVpcs" "DescribeSubnets" "DescribeSecurityGroups";
    "ec2" Plan ClientVpn Look:
        "DescribeClientVpnEndpoints" "DescribeClientVpnTargetNetworks" "DescribeClientVpnRoutes"
        "DescribeClientVpnAuthorizationRules";
    "ram" Plan Always Look: "GetResourceShares" "GetResourceShareAssociations";
    "route53resolver" Apply Always Look: "GetResolverEndpoint" "GetResolverRule";
    "route53resolver" Apply Endpoint Endpoints:
        "CreateResolverEndpoint" "UpdateResolverEndpoint" "DeleteResolverEndpoint"
        "AssociateResolverEndpointIpAddress" "DisassociateResolverEndpointIpAddress";
    "route53resolver" Apply Rule Rules: "CreateResolverRule" "UpdateResolverRule" "DeleteResolverRule";
    "route53resolver" Apply Rule AnyRule: "AssociateResolverRule" "DisassociateResolverRule";
    "route53resolver" Apply QueryLog QueryLogs:
        "CreateResolverQueryLogConfig" "DeleteResolverQueryLogConfig" "AssociateResolverQueryLogConfig"
        "DisassociateResolverQueryLogConfig";
    "route53resolver" Apply Dnssec VpcSettings: "UpdateResolverDnssecConfig";
    "route53resolver" Apply Reverse VpcSettings: "UpdateResolverConfig";
    "route53resolver" Apply Always ResolverTags: "TagResource" "UntagResource";
    "ec2" Apply OwnGroup NewGroup: "CreateSecurityGroup";
    "ec2" Apply OwnGroup OurGroups:
        "DeleteSecurityGroup" "AuthorizeSecurityGroupIngress" "AuthorizeSecurityGroupEgress"
        "RevokeSecurityGroupIngress" "RevokeSecurityGroupEgress";
    "ec2" Apply ClientVpn ClientVpns:
        "AuthorizeClientVpnIngress" "RevokeClientVpnIngress" "CreateClientVpnRoute" "DeleteClientVpnRoute"
        "ModifyClientVpnEndpoint";
    "ram" Apply Share NewShare: "CreateResourceShare";
    "ram" Apply Share OurShares: "AssociateResourceShare" "DisassociateResourceShare" "DeleteResourceShare";
};

/// What AWS does with the caller's session to carry these out: Resolver with network interfaces (as in its managed
/// policy AmazonRoute53ResolverFullAccess), EC2 and RAM with tags, RAM with a rule's policy, and CloudWatch Logs with
/// deliveries ("Enable logging from AWS services", the permissions of each destination).
pub const IMPLIED: &[Operation] = operations! {
    "ec2" Apply Endpoint Look: "DescribeNetworkInterfaces";
    "ec2" Apply Endpoint Interfaces:
        "CreateNetworkInterface" "CreateNetworkInterfacePermission" "DeleteNetworkInterface"
        "ModifyNetworkInterfaceAttribute";
    "ec2" Apply Ipv6 Interfaces: "AssignIpv6Addresses" "UnassignIpv6Addresses";
    "ec2" Apply OwnGroup NewGroupVpc: "CreateSecurityGroup";
    "ec2" Apply OwnGroup NewGroupTags: "CreateTags";
    "ram" Apply Share NewShareTags: "TagResource";
    "route53resolver" Apply Share Rules: "PutResolverRulePolicy";
    "logs" Apply QueryLog LogDelivery:
        "CreateLogDelivery" "GetLogDelivery" "UpdateLogDelivery" "DeleteLogDelivery" "ListLogDeliveries";
    "logs" Apply ToLogGroup LogDelivery: "PutResourcePolicy" "DescribeResourcePolicies" "DescribeLogGroups";
    "s3" Apply ToBucket Buckets: "GetBucketPolicy" "PutBucketPolicy";
    "firehose" Apply ToStream Streams: "TagDeliveryStream";
    "iam" Apply ToStream DeliveryRole: "CreateServiceLinkedRole";
};
