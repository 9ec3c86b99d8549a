//! Endpoints, their addresses and rules.

use super::*;

#[tokio::test]
async fn endpoints_and_rules_are_observed_as_they_were_made_page_by_page() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await.with_pages_of(1);
    let out = made(&amazon, outbound()).await;
    let inbound =
        endpoint("in", Direction::Inbound, vec![address(0, None), address(1, None), address(2, None)]);
    let inbound = made(&amazon, inbound).await;
    let corp =
        rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.11:53", "10.1.1.10:5353"]);
    let corp = made(&amazon, corp).await;
    let system = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let delegate =
        made(&amazon, rule("sub", RuleType::Delegate, "ns.anycompany.corp.", Some(&out), &[])).await;
    done(&amazon, Step::Associate { rule: Ref::Id(corp.clone()), vpc: VPC.into(), name: "corp".into() })
        .await;

    let world = seen(&amazon).await;
    assert_eq!((world.account.as_str(), world.region.as_str()), (ACCOUNT, REGION));
    assert_eq!(world.endpoints.len(), 2);
    let endpoint = &world.endpoints[&out];
    assert_eq!(
        (endpoint.name.as_str(), endpoint.direction, endpoint.state),
        ("out", Direction::Outbound, State::Ready)
    );
    assert_eq!((endpoint.vpc.as_str(), &endpoint.security_groups), (VPC, &vec![SECURITY_GROUP.to_owned()]));
    assert!(
        endpoint.interface_metrics && endpoint.target_metrics && !endpoint.dns64 && !endpoint.ipv6_internet
    );
    assert_eq!((&endpoint.protocols, endpoint.family), (&vec![Protocol::Do53], AddressFamily::Ipv4));
    assert_eq!(endpoint.tags, tags());
    let mut ips: Vec<String> = endpoint.addresses.values().map(|one| one.ip.unwrap().to_string()).collect();
    ips.sort();
    assert_eq!(ips, ["10.20.1.20", "10.20.2.20"]);
    assert_eq!(world.endpoints[&inbound].addresses.len(), 3);
    assert_eq!(world.subnets.len(), 3, "those of endpoints that are ours");
    assert_eq!(world.subnets[SUBNETS[1]].az, format!("{REGION}b"));

    assert_eq!(world.rules.len(), 3, "AWS's own rule is none of them");
    let told = &world.rules[&corp];
    assert_eq!(
        (told.domain.as_str(), told.kind, told.owner.as_str()),
        ("anycompany.corp.", RuleType::Forward, ACCOUNT)
    );
    assert_eq!(told.targets, [rule_target("10.1.1.10:5353"), rule_target("10.1.1.11:53")], "sorted");
    assert_eq!((told.endpoint.as_ref(), &told.tags), (Some(&out), &tags()));
    assert_eq!(world.rules[&system].kind, RuleType::System);
    assert_eq!(
        (world.rules[&delegate].domain.as_str(), world.rules[&delegate].kind),
        ("ns.anycompany.corp.", RuleType::Delegate)
    );
    let associations: Vec<_> =
        world.associations.values().map(|one| (&one.rule, one.vpc.as_str(), one.state)).collect();
    assert_eq!(associations, [(&corp, VPC, State::Ready)], "AWS's own association is none of them");

    let glance = amazon.glance(&plain()).await.unwrap();
    assert_eq!(glance.rules.keys().collect::<Vec<_>>(), world.rules.keys().collect::<Vec<_>>());
    assert_eq!((glance.endpoints.len(), glance.subnets), (2, world.subnets));
}

#[tokio::test]
async fn what_was_asked_for_before_is_found_and_what_is_gone_is_no_trouble() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let out = made(&amazon, outbound()).await;
    let corp = rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]);
    let id = made(&amazon, corp.clone()).await;
    let associate = Step::Associate { rule: Ref::Id(id.clone()), vpc: VPC.into(), name: "corp".into() };
    done(&amazon, associate.clone()).await;
    assert_eq!(amazon.ask(&outbound()).await, Ok(Some(out.clone())));
    assert_eq!(amazon.ask(&corp).await, Ok(Some(id.clone())));
    assert_eq!(amazon.ask(&associate).await, Ok(None));

    let steps = [
        Step::Disassociate { rule: id.clone(), vpc: VPC.into() },
        Step::DeleteRule { rule: id },
        Step::DeleteEndpoint { endpoint: out },
    ];
    for step in steps {
        amazon.ask(&step).await.unwrap();
        amazon.ask(&step).await.unwrap_or_else(|trouble| panic!("{step:?} on its way out: {trouble}"));
        done(&amazon, step).await;
    }
    let world = seen(&amazon).await;
    assert_eq!((world.endpoints.len(), world.rules.len(), world.associations.len()), (0, 0, 0));
}

#[tokio::test]
async fn changes_are_waited_for_until_they_are_shown() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    stand_in.settings(&json!({"pace": {"looks": 2}}));
    let amazon = connected(&stand_in).await;
    let step = outbound();
    let id = amazon.ask(&step).await.unwrap();
    let out = id.clone().unwrap();
    let asked = [Asked { step, made: id }];
    let mut told = Vec::new();
    while told.last() != Some(&Progress::Done) {
        assert!(told.len() < 10, "{told:?}");
        told.extend(amazon.pending(&asked).await.unwrap());
    }
    assert_eq!(told[0], Progress::Waiting("CREATING: [Trace id: 1-0] CREATING, 0 of 2 ATTACHED".into()));

    let id =
        made(&amazon, rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]))
            .await;
    let targets = vec![rule_target("10.1.1.12:53"), rule_target("10.1.1.11:53")];
    let update = Step::UpdateRule {
        rule: id.clone(),
        name: Some("new".into()),
        targets: Some(targets),
        endpoint: None,
    };
    stand_in.settings(&json!({"pace": {"looks": 5}}));
    amazon.ask(&update).await.unwrap();
    // AWS takes no other update meanwhile: the same one again is no trouble, another is for later.
    amazon.ask(&update).await.unwrap();
    let other = Step::UpdateRule { rule: id, name: Some("other".into()), targets: None, endpoint: None };
    let trouble = amazon.ask(&other).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.resolver_code.as_deref()), (Kind::Busy, Some("RSLVR-00705")));
    let asked = Asked { step: update.clone(), made: None };
    let awaited = Asked { step: Step::Await { until: Box::new(update.clone()) }, made: None };
    for progress in amazon.pending(&[asked, awaited]).await.unwrap() {
        assert!(
            matches!(&progress, Progress::Waiting(status) if status.starts_with("UPDATING")),
            "{progress:?}"
        );
    }
    done(&amazon, update).await;

    let update = Step::UpdateEndpoint {
        endpoint: out.clone(),
        name: None,
        family: None,
        protocols: Some(vec![Protocol::Doh, Protocol::Do53]),
        dns64: None,
        interface_metrics: Some(false),
        target_metrics: None,
        ipv6_internet: None,
        ipv6: BTreeMap::new(),
    };
    done(&amazon, update).await;
    let world = seen(&amazon).await;
    let endpoint = &world.endpoints[&out];
    assert_eq!(
        (endpoint.name.as_str(), endpoint.interface_metrics, endpoint.target_metrics),
        ("out", false, true)
    );
    assert_eq!(endpoint.protocols, [Protocol::Do53, Protocol::Doh]);
}

#[tokio::test]
async fn an_address_goes_only_while_two_others_are_attached() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let out = made(&amazon, outbound()).await;
    let old = seen(&amazon).await.endpoints[&out].addresses.keys().next().unwrap().clone();
    assert_eq!(amazon.attached(&out, &old).await, Ok(1));
    let remove = Step::RemoveAddress { endpoint: out.clone(), address: old.clone() };
    let trouble = amazon.ask(&remove).await.unwrap_err();
    assert_eq!((trouble.kind, trouble.resolver_code.as_deref()), (Kind::Busy, Some("RSLVR-00506")));
    assert_eq!(stand_in.calls("DisassociateResolverEndpointIpAddress").len(), 0);

    let pinned = Step::AddAddress { endpoint: out.clone(), address: address(2, Some("10.20.3.20")) };
    done(&amazon, pinned.clone()).await;
    assert_eq!(amazon.ask(&pinned).await, Ok(None), "the same again");
    let chosen = Step::AddAddress { endpoint: out.clone(), address: address(2, None) };
    let id = made(&amazon, chosen).await;
    let addresses = seen(&amazon).await.endpoints[&out].addresses.clone();
    assert_eq!((addresses.len(), addresses[&id].subnet.as_str()), (4, SUBNETS[2]));

    done(&amazon, remove.clone()).await;
    amazon.ask(&remove).await.unwrap();
    assert_eq!(amazon.attached(&out, "").await, Ok(3));
    let trouble = amazon.attached("rslvr-out-00000000000000000", "").await.unwrap_err();
    assert_eq!(trouble.kind, Kind::NotFound);
}

/// A fault of each kind befalls the request, before or after it is carried out.
#[tokio::test]
async fn faults_make_no_doubles() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    stand_in.settings(&json!({"pace": {"ms": 0}}));
    let amazon = connected(&stand_in).await;
    let faults = |operation: &str| {
        for (kind, carried_out) in [("cut", true), ("status", false), ("status", true), ("cut", false)] {
            let fault =
                json!({"operation": operation, "kind": kind, "carried_out": carried_out, "status": 502});
            stand_in.fault(&fault);
        }
    };
    faults("CreateResolverEndpoint");
    let out = made(&amazon, outbound()).await;
    faults("CreateResolverRule");
    let corp =
        made(&amazon, rule("corp", RuleType::Forward, "anycompany.corp.", Some(&out), &["10.1.1.10:53"]))
            .await;
    faults("AssociateResolverRule");
    done(&amazon, Step::Associate { rule: Ref::Id(corp.clone()), vpc: VPC.into(), name: "corp".into() })
        .await;
    stand_in.fault(
        &json!({"operation": "AssociateResolverEndpointIpAddress", "kind": "cut", "carried_out": false}),
    );
    stand_in.fault(
        &json!({"operation": "AssociateResolverEndpointIpAddress", "kind": "cut", "carried_out": true}),
    );
    made(&amazon, Step::AddAddress { endpoint: out.clone(), address: address(2, None) }).await;
    stand_in.fault(&json!({"operation": "CreateSecurityGroup", "kind": "cut", "carried_out": true}));
    let group = made(&amazon, security_group()).await;
    stand_in
        .fault(&json!({"operation": "AuthorizeSecurityGroupIngress", "kind": "cut", "carried_out": true}));
    done(&amazon, permit(&group, &["10.1.0.0/16", "10.2.0.0/16"])).await;
    stand_in.fault(&json!({"operation": "CreateResourceShare", "kind": "status", "carried_out": true}));
    made(&amazon, share(&corp, &["111122223333"])).await;

    let world = seen(&amazon).await;
    assert_eq!(world.endpoints[&out].addresses.len(), 3);
    assert_eq!((world.endpoints.len(), world.rules.len(), world.associations.len()), (1, 1, 1));
    assert_eq!((world.security_groups.len(), world.shares.len()), (1, 1));
    assert_eq!(world.security_groups[&group].ingress.len(), 2);
    let befallen = stand_in.journal().iter().filter(|call| !call["fault"].is_null()).count();
    assert_eq!(befallen, 17, "all of them");
}

/// AWS remembers the CreatorRequestId of a rule that is gone.
#[tokio::test]
async fn a_creator_request_id_that_is_used_up_is_followed_by_the_next() {
    let stand_in = StandIn::start();
    stand_in.seed_network();
    let amazon = connected(&stand_in).await;
    let exists =
        json!({"operation": "CreateResolverRule", "kind": "exception", "code": "ResourceExistsException"});
    stand_in.fault(&exists);
    let id = made(&amazon, rule("aws", RuleType::System, "aws.anycompany.corp.", None, &[])).await;
    let world = seen(&amazon).await;
    assert_eq!(world.rules[&id].creator_request_id, format!("dnsfwd:{OWNER}:rule:aws:0:2"));
}
