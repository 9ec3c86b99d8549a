//! Security groups: those that are ours and those that are named, and what they permit, one permission for each
//! network.

use std::collections::{BTreeMap, BTreeSet};

use super::ec2::{Query, QueryApi};
use super::xml::Xml;
use crate::aws::plan::step::{Tags, Way};
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{OWNER_TAG, Permission, SecurityGroup};

type Groups = BTreeMap<String, SecurityGroup>;

impl QueryApi {
    /// Those with this owner's mark, and those of these IDs.
    pub(super) async fn security_groups(
        &self,
        owner: &str,
        ids: &BTreeSet<String>,
    ) -> Result<Groups, Trouble> {
        let marked = Query::new("DescribeSecurityGroups", "").filter(&format!("tag:{OWNER_TAG}"), [owner]);
        let mut groups: Groups = self.list(&marked, LIST, group).await?.into_iter().collect();
        groups.extend(self.groups_by_id(ids).await?);
        Ok(groups)
    }

    async fn groups_by_id(&self, ids: &BTreeSet<String>) -> Result<Groups, Trouble> {
        let groups = self.list_by_id("DescribeSecurityGroups", "group-id", ids, LIST, group).await?;
        Ok(groups.into_iter().collect())
    }

    /// Its ID. One of this name with our mark in the VPC is the one that an earlier call has made; names are unique.
    pub(super) async fn create_group(
        &self,
        name: &str,
        description: &str,
        vpc: &str,
        tags: &Tags,
    ) -> Result<String, Trouble> {
        let query = Query::new("CreateSecurityGroup", format!("security group {name}"))
            .with("GroupName", name)
            .with("GroupDescription", description)
            .with("VpcId", vpc)
            .tagged("security-group", tags);
        let read = |xml: Xml<'_>| Ok(xml.text_of("groupId"));
        match self.ask(&query, read).await {
            Err(trouble) if trouble.kind == Kind::Exists => {
                let named = Query::new("DescribeSecurityGroups", "");
                let named = named.filter("group-name", [name]).filter("vpc-id", [vpc]);
                let found = self.list(&named, LIST, group).await?;
                let ours = |group: &SecurityGroup| group.tags.get(OWNER_TAG) == tags.get(OWNER_TAG);
                let found = found.into_iter().find(|(_, group)| ours(group));
                found.map(|(id, _)| id).ok_or(trouble)
            }
            made => made,
        }
    }

    pub(super) async fn permit(&self, id: &str, way: Way, permissions: &[Permission]) -> Result<(), Trouble> {
        let operation = match way {
            Way::Ingress => "AuthorizeSecurityGroupIngress",
            Way::Egress => "AuthorizeSecurityGroupEgress",
        };
        self.set(operation, id, way, permissions, Kind::Exists).await
    }

    pub(super) async fn forbid(&self, id: &str, way: Way, permissions: &[Permission]) -> Result<(), Trouble> {
        let operation = match way {
            Way::Ingress => "RevokeSecurityGroupIngress",
            Way::Egress => "RevokeSecurityGroupEgress",
        };
        self.set(operation, id, way, permissions, Kind::NotFound).await
    }

    /// One permission that is so already fails the request for all: then it is looked which are left, and each of those
    /// has a request of its own.
    async fn set(
        &self,
        operation: &'static str,
        id: &str,
        way: Way,
        permissions: &[Permission],
        harmless: Kind,
    ) -> Result<(), Trouble> {
        if permissions.is_empty() {
            return Ok(());
        }
        let all: Vec<&Permission> = permissions.iter().collect();
        match self.done(&change(operation, id, &all)).await {
            Err(trouble) if trouble.kind == harmless => {}
            outcome => return outcome,
        }
        let group = self.groups_by_id(&BTreeSet::from([id.to_owned()])).await?.remove(id);
        let Some(group) = group else {
            return if harmless == Kind::NotFound { Ok(()) } else { Err(gone(operation, id)) };
        };
        let there = match way {
            Way::Ingress => group.ingress,
            Way::Egress => group.egress,
        };
        let is_left = |one: &&Permission| there.contains(one) == (harmless == Kind::NotFound);
        for one in permissions.iter().filter(is_left) {
            match self.done(&change(operation, id, &[one])).await {
                Err(trouble) if trouble.kind != harmless => return Err(trouble),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) async fn delete_group(&self, id: &str) -> Result<(), Trouble> {
        let query = Query::new("DeleteSecurityGroup", format!("security group {id}")).with("GroupId", id);
        match self.done(&query).await {
            Err(trouble) if trouble.kind == Kind::NotFound => Ok(()),
            outcome => outcome,
        }
    }
}

const LIST: &str = "securityGroupInfo";

fn gone(operation: &str, id: &str) -> Trouble {
    super::errors::Said {
        operation,
        subject: &format!("security group {id}"),
        status: 400,
        code: "InvalidGroup.NotFound",
        message: "the security group is gone",
    }
    .trouble()
}

fn change(operation: &'static str, id: &str, permissions: &[&Permission]) -> Query {
    let mut query = Query::new(operation, format!("security group {id}")).with("GroupId", id);
    for (index, one) in permissions.iter().enumerate() {
        let name = format!("IpPermissions.{}", index + 1);
        query = query.with(format!("{name}.IpProtocol"), &one.protocol);
        if one.protocol != "-1" {
            query = query.with(format!("{name}.FromPort"), one.from_port.to_string());
            query = query.with(format!("{name}.ToPort"), one.to_port.to_string());
        }
        query = query.with(format!("{name}.{}", peer_parameter(&one.peer)), &one.peer);
    }
    query
}

/// EC2 API reference, IpPermission: each kind of peer has a list of its own.
fn peer_parameter(peer: &str) -> &'static str {
    match peer {
        _ if peer.starts_with("sg-") => "Groups.1.GroupId",
        _ if peer.starts_with("pl-") => "PrefixListIds.1.PrefixListId",
        _ if peer.contains(':') => "Ipv6Ranges.1.CidrIpv6",
        _ => "IpRanges.1.CidrIp",
    }
}

fn group(item: Xml<'_>) -> Option<(String, SecurityGroup)> {
    let group = SecurityGroup {
        name: item.text_of("groupName"),
        vpc: item.text_of("vpcId"),
        ingress: permissions(item, "ipPermissions"),
        egress: permissions(item, "ipPermissionsEgress"),
        tags: item.tags(),
    };
    Some((item.text_of("groupId"), group)).filter(|(id, _)| !id.is_empty())
}

fn permissions(item: Xml<'_>, list: &str) -> Vec<Permission> {
    let mut all: Vec<Permission> = item.items(list).flat_map(permissions_of).collect();
    all.sort();
    all
}

/// -1 stands for all ports where EC2 says none, as it does in ICMP's types.
fn permissions_of(one: Xml<'_>) -> Vec<Permission> {
    let protocol = one.text_of("ipProtocol");
    let (from_port, to_port) = (one.value_of("fromPort").unwrap_or(-1), one.value_of("toPort").unwrap_or(-1));
    let lists = [
        ("ipRanges", "cidrIp"),
        ("ipv6Ranges", "cidrIpv6"),
        ("groups", "groupId"),
        ("prefixListIds", "prefixListId"),
    ];
    let peers =
        lists.into_iter().flat_map(|(list, name)| one.items(list).map(move |peer| peer.text_of(name)));
    peers.map(|peer| Permission { protocol: protocol.clone(), from_port, to_port, peer }).collect()
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    #[test]
    fn a_group_s_permissions_are_taken_apart() {
        let answer = "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId>\
            <groupName>dns</groupName><vpcId>vpc-1</vpcId><ipPermissions>\
            <item><ipProtocol>udp</ipProtocol><fromPort>53</fromPort><toPort>53</toPort><groups><item>\
            <groupId>sg-2</groupId></item></groups><ipRanges><item><cidrIp>10.1.0.0/16</cidrIp></item><item>\
            <cidrIp>10.0.0.0/16</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item></ipPermissions>\
            <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp>\
            </item></ipRanges></item></ipPermissionsEgress><tagSet><item><key>dnsfwd:owner</key><value>a</value>\
            </item></tagSet></item></securityGroupInfo></DescribeSecurityGroupsResponse>";
        let document = Document::parse(answer).expect("well-formed");
        let groups: Vec<_> = Xml::root(&document).items(LIST).filter_map(group).collect();
        let group = &groups[0].1;
        let peers: Vec<&str> = group.ingress.iter().map(|one| one.peer.as_str()).collect();
        assert_eq!(peers, ["10.0.0.0/16", "10.1.0.0/16", "sg-2"]);
        assert_eq!((group.egress[0].from_port, group.egress[0].protocol.as_str()), (-1, "-1"));
        assert_eq!(group.tags.get(OWNER_TAG).map(String::as_str), Some("a"));
    }

    #[test]
    fn each_kind_of_peer_has_its_parameter() {
        for (peer, parameter) in [
            ("10.0.0.0/8", "IpRanges.1.CidrIp"),
            ("2001:db8::/32", "Ipv6Ranges.1.CidrIpv6"),
            ("sg-0a", "Groups.1.GroupId"),
            ("pl-0a", "PrefixListIds.1.PrefixListId"),
        ] {
            assert_eq!(peer_parameter(peer), parameter);
        }
    }
}
