//! Security groups, Client VPN, shares, query logs and what VPCs are set to.

use super::*;

#[tokio::test]
async fn security_groups_hold_what_is_permitted_and_no_more() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let group = made(&amazon, security_group()).await;
    assert_eq!(amazon.ask(&security_group()).await, Ok(Some(group.clone())), "the same again");
    done(&amazon, permit(&group, &["10.1.0.0/16"])).await;
    done(&amazon, permit(&group, &["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"])).await;
    let all = Permission { protocol: "-1".into(), from_port: -1, to_port: -1, peer: "0.0.0.0/0".into() };
    let all_out = |permissions| Step::Forbid { group: Ref::Id(group.clone()), way: Way::Egress, permissions };
    let told = seen(&amazon).await.security_groups[&group].clone();
    let peers: Vec<&str> = told.ingress.iter().map(|one| one.peer.as_str()).collect();
    assert_eq!(peers, ["10.1.0.0/16", "10.2.0.0/16", "2001:db8::/32"]);
    assert_eq!((told.egress, told.tags), (vec![all.clone()], tags()));

    done(&amazon, all_out(vec![all.clone()])).await;
    done(&amazon, all_out(vec![all, permission("udp", "10.9.0.0/16")])).await;
    let gone = vec![permission("udp", "10.1.0.0/16"), permission("udp", "10.8.0.0/16")];
    done(&amazon, Step::Forbid { group: Ref::Id(group.clone()), way: Way::Ingress, permissions: gone }).await;
    let told = seen(&amazon).await.security_groups[&group].clone();
    assert_eq!((told.ingress.len(), told.egress.len()), (2, 0));

    for _ in 0..2 {
        done(&amazon, Step::DeleteSecurityGroup { group: group.clone() }).await;
    }
    assert!(seen(&amazon).await.security_groups.is_empty());
    let trouble =
        amazon.ask(&Step::DeleteSecurityGroup { group: used_group(&amazon).await }).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.code.as_deref()), (Kind::Busy, Some("DependencyViolation")));
}

/// One whose endpoint's network interfaces are still there.
async fn used_group(amazon: &Amazon) -> String {
    made(amazon, outbound()).await;
    SECURITY_GROUP.into()
}

#[tokio::test]
async fn the_client_vpn_is_led_to_its_dns_servers() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await.with_pages_of(1);
    let (endpoint, subnet) = (CLIENT_VPN.to_owned(), SUBNETS[0].to_owned());
    let destination = "192.168.2.0/24".parse().unwrap();
    let description = format!("dnsfwd-{OWNER} dns");
    let route = Step::CreateVpnRoute {
        endpoint: endpoint.clone(),
        destination,
        subnet: subnet.clone(),
        description: description.clone(),
    };
    let authorize = Step::AuthorizeVpn {
        endpoint: endpoint.clone(),
        destination,
        group: None,
        description: description.clone(),
    };
    let servers = Step::SetVpnDnsServers {
        endpoint: endpoint.clone(),
        servers: vec!["10.20.1.10".parse().unwrap(), "192.168.2.250".parse().unwrap()],
    };
    for step in [route.clone(), route, authorize.clone(), authorize, servers] {
        done(&amazon, step).await;
    }
    let world = amazon.observe(&named(), &()).await.unwrap();
    let vpn = &world.client_vpns[CLIENT_VPN];
    assert_eq!(vpn.dns_servers, ["10.20.1.10", "192.168.2.250"]);
    assert_eq!((vpn.state, &vpn.subnets), (State::Ready, &vec![subnet.clone()]));
    let ours: Vec<_> = vpn.routes.iter().filter(|one| one.description == description).collect();
    assert_eq!((ours.len(), ours[0].is_active, vpn.routes.len()), (1, true, 2), "beside the VPC's own");
    assert_eq!((vpn.authorizations.len(), vpn.authorizations[0].group.as_ref()), (1, None));

    let revoke = Step::RevokeVpn { endpoint: endpoint.clone(), destination, group: None };
    let delete = Step::DeleteVpnRoute { endpoint: endpoint.clone(), destination, subnet };
    let servers = Step::SetVpnDnsServers { endpoint, servers: Vec::new() };
    for step in [revoke.clone(), revoke, delete.clone(), delete, servers] {
        done(&amazon, step).await;
    }
    for number in 0..6 {
        let destination = format!("192.168.{}.0/24", 10 + number).parse().unwrap();
        let authorize = Step::AuthorizeVpn {
            endpoint: CLIENT_VPN.into(),
            destination,
            group: Some("S-1-5-21".into()),
            description: description.clone(),
        };
        amazon.ask(&authorize).await.unwrap();
    }
    let vpn = amazon.observe(&named(), &()).await.unwrap().client_vpns[CLIENT_VPN].clone();
    assert_eq!((vpn.dns_servers.len(), vpn.routes.len()), (0, 1));
    assert_eq!(vpn.authorizations.len(), 6, "on two pages");
}

#[tokio::test]
async fn rules_are_shared_and_vpcs_are_logged_and_set() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await.with_pages_of(1);
    let id = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let arn = made(&amazon, share(&id, &["111122223333"])).await;
    assert_eq!(amazon.ask(&share(&id, &["111122223333"])).await, Ok(Some(arn.clone())), "the same again");
    let also = vec!["444455556666".to_owned()];
    done(&amazon, Step::ShareWith { share: arn.clone(), principals: also.clone() }).await;
    for _ in 0..2 {
        done(&amazon, Step::UnshareWith { share: arn.clone(), principals: vec!["111122223333".into()] })
            .await;
    }
    let log = Step::CreateQueryLog {
        made: "log".into(),
        creator_request_id: format!("dnsfwd:{OWNER}:log:queries:0"),
        name: "queries".into(),
        destination: "arn:aws:s3:::anycompany-dns-logs".into(),
        tags: tags(),
    };
    let log_id = made(&amazon, log.clone()).await;
    assert_eq!(amazon.ask(&log).await, Ok(Some(log_id.clone())));
    for _ in 0..2 {
        done(&amazon, Step::LogVpc { query_log: Ref::Id(log_id.clone()), vpc: VPC.into() }).await;
    }
    let before = amazon.observe(&named(), &()).await.unwrap();
    let vpc = &before.vpcs[VPC];
    let (on, off) = (Switch { on: true, is_changing: false }, Switch { on: false, is_changing: false });
    assert_eq!((&vpc.dnssec_validation, &vpc.autodefined_reverse), (&Some(off.clone()), &Some(on.clone())));
    assert_eq!(vpc.cidrs, ["10.20.0.0/16".parse().unwrap()]);
    assert_eq!(before.subnets.keys().collect::<Vec<_>>(), [SUBNETS[0]], "one that isn't there is no trouble");
    done(&amazon, Step::SetDnssecValidation { vpc: VPC.into(), on: true }).await;
    done(&amazon, Step::SetAutodefinedReverse { vpc: VPC.into(), on: false }).await;
    let rule_arn = before.rules[&id].arn.clone();
    let more = BTreeMap::from([("team".to_owned(), "network".to_owned())]);
    done(&amazon, Step::Tag { arn: rule_arn.clone(), tags: more }).await;
    done(&amazon, Step::Untag { arn: rule_arn.clone(), keys: vec![OWNER_TAG.into()] }).await;

    let world = amazon.observe(&named(), &()).await.unwrap();
    let shared = &world.shares[&arn];
    assert_eq!((&shared.resources, &shared.principals, shared.state), (&vec![rule_arn], &also, State::Ready));
    assert_eq!(world.query_logs[&log_id].tags, tags());
    assert_eq!(world.query_log_associations[&log_id], BTreeMap::from([(VPC.to_owned(), State::Ready)]));
    assert_eq!(
        (&world.vpcs[VPC].dnssec_validation, &world.vpcs[VPC].autodefined_reverse),
        (&Some(on), &Some(off))
    );
    assert_eq!(world.rules[&id].tags, BTreeMap::from([("team".to_owned(), "network".to_owned())]));

    for _ in 0..2 {
        done(&amazon, Step::DeleteShare { share: arn.clone() }).await;
        done(&amazon, Step::UnlogVpc { query_log: log_id.clone(), vpc: VPC.into() }).await;
    }
    for _ in 0..2 {
        done(&amazon, Step::DeleteQueryLog { query_log: log_id.clone() }).await;
    }
    let world = seen(&amazon).await;
    assert_eq!((world.shares.len(), world.query_logs.len(), world.query_log_associations.len()), (0, 0, 0));
}
