//! What to do about trouble, in an operator's words. Sources: the Route 53 Developer Guide, the API references, and what
//! AWS's users have told of the codes that no document lists.

use super::errors::Said;
use crate::aws::trouble::Kind;

/// Codes in messages of Resolver: `[RSLVR-nnnnn]`.
const RESOLVER: [(&str, &str); 15] = [
    ("RSLVR-00405", "give an address of the subnet's network; the first four and the last one are AWS's own"),
    ("RSLVR-00408", "write security groups by ID: sg- and hexadecimal digits"),
    ("RSLVR-00503", "the address is gone or was never there: plan again"),
    ("RSLVR-00506", "an endpoint keeps two addresses: wait until the new one is ATTACHED, then apply again"),
    (
        "RSLVR-00600",
        "delete the rules that send through the endpoint first; a rule may still be on its way out",
    ),
    ("RSLVR-00700", "rules send through an outbound endpoint: name one in `endpoint`"),
    ("RSLVR-00703", "somebody has deleted the rule since: plan again"),
    ("RSLVR-00704", "the VPC has this rule already: plan again"),
    ("RSLVR-00705", "the rule is still being updated, which takes AWS minutes: apply again then"),
    (
        "RSLVR-00711",
        "give the rule's domain as a name with labels of letters, digits, hyphens and underscores",
    ),
    ("RSLVR-00713", "the rule for the internet is AWS's own and stays"),
    ("RSLVR-00718", "RECURSIVE is AWS's own rule; use FORWARD, SYSTEM or DELEGATE"),
    (
        "RSLVR-00726",
        "the endpoint has more than one protocol: say with each target which one it takes, `protocol = \"Do53\"`",
    ),
    (
        "RSLVR-00804",
        "the rule's target is an inbound endpoint of the same VPC, so queries would go round in circles: leave the VPC \
         out of the rule, or send elsewhere",
    ),
    ("RSLVR-00903", "the rule is AWS's own and can't be tagged: leave its `id` out"),
];

pub(super) fn help(kind: Kind, said: &Said, resolver_code: Option<&str>) -> String {
    let known = resolver_code.and_then(|code| RESOLVER.iter().find(|(known, _)| *known == code));
    if let Some((_, help)) = known {
        return (*help).to_owned();
    }
    if let Some(help) = by_code(said) {
        return help;
    }
    by_kind(kind, said)
}

fn by_code(said: &Said) -> Option<String> {
    let help = match said.code {
        "ExpiredToken" | "ExpiredTokenException" => {
            "the credentials have expired: get new ones (`aws sso login`, or a new session of the role)"
        }
        "RequestExpired" | "InvalidSignatureException" if said.message.contains("xpired") => {
            "set this machine's clock: AWS takes signatures for five minutes"
        }
        "UnrecognizedClientException" | "AuthFailure" | "InvalidClientTokenId" | "OptInRequired" => {
            "AWS doesn't know these credentials here: see which profile is used, and that the Region is enabled for the \
             account"
        }
        "DependencyViolation" => "something else still uses it: network interfaces take minutes to go",
        "RulesPerSecurityGroupLimitExceeded" => {
            "a security group holds 60 permissions in each direction: allow larger networks, or ask AWS for more"
        }
        "InvalidRequestException" if said.message.contains("same domain name with same VPC") => {
            "a VPC has one rule for a domain: dissociate the other one, or take it over (`dnsfwd aws adopt`)"
        }
        "IdempotentParameterMismatchException" | "IdempotentParameterMismatch" => {
            "plan again, and apply the new plan"
        }
        "InvalidSubnetID.NotFound" | "InvalidVpcID.NotFound" | "InvalidGroup.NotFound" => {
            "see that the ID is right, and of this account and Region"
        }
        "InvalidClientVpnActiveAssociationNotFound" | "InvalidClientVpnSubnetId.NotFound" => {
            "associate the Client VPN endpoint with a subnet first: routes lead through one"
        }
        "InvalidClientVpnEndpointId.NotFound" => {
            "see that the Client VPN endpoint is of this account and Region"
        }
        "MalformedArnException" => "the ARN is none that RAM can share",
        _ => return None,
    };
    Some(help.to_owned())
}

fn by_kind(kind: Kind, said: &Said) -> String {
    match kind {
        Kind::Unreachable => unreachable(said.message),
        Kind::Failed => "the failure is AWS's own: apply again, which goes on from where it is".into(),
        Kind::Throttled => {
            "the account's requests to this API are used up, by others as well: apply again later".into()
        }
        Kind::Credentials => credentials(),
        Kind::Denied => denied(said),
        Kind::NotFound => {
            "somebody has deleted it since, or it is of another account or Region: plan again".into()
        }
        Kind::Exists => "somebody else has made the same: plan again".into(),
        Kind::Busy => "it is in use or on its way to another state: apply again in some minutes".into(),
        Kind::Limit => {
            "a quota is reached: delete what isn't needed, or ask AWS for more (Service Quotas)".into()
        }
        Kind::Refused => "see what AWS says against it, and mend the file".into(),
        Kind::TimeOut => "it may still come to be: plan again in some minutes".into(),
        Kind::Broken => "see in AWS what has failed, then plan again".into(),
    }
}

/// The right that an operation needs has the service's prefix and its name; but GetCallerIdentity needs none.
fn denied(said: &Said) -> String {
    let service = service_of(said.operation);
    let mut help = format!("allow {service}:{} (all that is needed: `dnsfwd aws policy`)", said.operation);
    if service == "route53resolver" && said.operation.contains("Endpoint") {
        // The network interfaces are made and removed in the name of who asks for it.
        help.push_str(
            ", and what it takes of EC2 in its name: ec2:CreateNetworkInterface, \
                       ec2:DeleteNetworkInterface, ec2:DescribeNetworkInterfaces, ec2:DescribeSubnets, \
                       ec2:DescribeSecurityGroups, ec2:DescribeVpcs",
        );
    }
    help
}

fn service_of(operation: &str) -> &'static str {
    match operation {
        "GetCallerIdentity" => "sts",
        _ if operation.contains("ResourceShare") => "ram",
        _ if operation.contains("Resolver") || operation.contains("TagsForResource") => "route53resolver",
        "TagResource" | "UntagResource" => "route53resolver",
        _ => "ec2",
    }
}

pub(super) fn credentials() -> String {
    "name a profile of ~/.aws/config in `[aws] profile`, or give the credentials as the AWS CLI takes them: environment, \
     a signed-in session (`aws sso login`), or the role of the machine"
        .into()
}

pub(super) fn unreachable(about: &str) -> String {
    if about.contains("dns error") || about.contains("lookup address") {
        return "the name of AWS's endpoint can't be looked up: see that `region` is right, and which resolver this \
                machine asks"
            .into();
    }
    "see that this machine reaches AWS over HTTPS (proxy: HTTPS_PROXY, NO_PROXY; other endpoints: AWS_ENDPOINT_URL)".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_of_resolver_once_and_in_order() {
        assert!(RESOLVER.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn the_right_is_named_with_its_service() {
        for (operation, right) in [
            ("AssociateResolverRule", "route53resolver:AssociateResolverRule"),
            ("ListTagsForResource", "route53resolver:ListTagsForResource"),
            ("CreateResourceShare", "ram:CreateResourceShare"),
            ("DescribeClientVpnEndpoints", "ec2:DescribeClientVpnEndpoints"),
        ] {
            let said = Said { operation, subject: "", status: 403, code: "AccessDenied", message: "no" };
            assert!(denied(&said).starts_with(&format!("allow {right} ")), "{operation}");
        }
    }
}
