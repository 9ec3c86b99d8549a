//! EC2 and STS: their Query protocol (a form in, XML out), paging, and what an endpoint's place is made of: VPCs and
//! subnets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;
use roxmltree::Document;

use super::calls::Calls;
use super::errors::{Said, unreadable};
use super::signed::{Answer, Request, Service, Signer};
use super::xml::Xml;
use crate::aws::trouble::{Kind, Trouble};
use crate::aws::world::{Subnet, Vpc};
use crate::limits::{AWS_PAGES, EC2_FILTER_VALUES};

const EC2_VERSION: &str = "2016-11-15";
const STS_VERSION: &str = "2011-06-15";

/// One service that speaks the Query protocol.
pub(super) struct QueryApi {
    signer: Arc<Signer>,
    service: Service,
    version: &'static str,
    calls: Calls,
    /// How many things one page may have. None: as many as the service likes.
    pub page: Option<u8>,
}

/// A request: an operation and what it is given, as EC2 numbers and names it.
#[derive(Clone)]
pub(super) struct Query {
    pub operation: &'static str,
    pub subject: String,
    pairs: Vec<(String, String)>,
    filters: usize,
}

impl Query {
    pub(super) fn new(operation: &'static str, subject: impl Into<String>) -> Query {
        Query { operation, subject: subject.into(), pairs: Vec::new(), filters: 0 }
    }

    pub(super) fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Query {
        self.pairs.push((name.into(), value.into()));
        self
    }

    /// What EC2 calls `Filter.N`.
    pub(super) fn filter<'a>(mut self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Query {
        self.filters += 1;
        let number = self.filters;
        self = self.with(format!("Filter.{number}.Name"), name);
        for (index, value) in values.into_iter().enumerate() {
            self = self.with(format!("Filter.{number}.Value.{}", index + 1), value);
        }
        self
    }

    /// `TagSpecification` of what is made.
    pub(super) fn tagged(mut self, kind: &str, tags: &BTreeMap<String, String>) -> Query {
        if tags.is_empty() {
            return self;
        }
        self = self.with("TagSpecification.1.ResourceType", kind);
        for (index, (key, value)) in tags.iter().enumerate() {
            let tag = format!("TagSpecification.1.Tag.{}", index + 1);
            self = self.with(format!("{tag}.Key"), key).with(format!("{tag}.Value"), value);
        }
        self
    }

    fn body(&self, version: &str) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", self.operation).append_pair("Version", version);
        form.extend_pairs(&self.pairs).finish()
    }

    fn unreadable(&self, about: &str) -> Trouble {
        unreadable(self.operation, &self.subject, about)
    }
}

impl QueryApi {
    pub(super) fn ec2(signer: Arc<Signer>, service: Service, calls: Calls) -> QueryApi {
        QueryApi { signer, service, version: EC2_VERSION, calls, page: None }
    }

    pub(super) fn sts(signer: Arc<Signer>, service: Service, calls: Calls) -> QueryApi {
        QueryApi { signer, service, version: STS_VERSION, calls, page: None }
    }

    /// Asked until it is answered, and read by `read`. Harmless when it is carried out twice: the caller sees to it.
    pub(super) async fn ask<T>(
        &self,
        query: &Query,
        read: impl Fn(Xml<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        self.calls.patiently(async || self.once(query, &read).await).await
    }

    async fn once<T>(
        &self,
        query: &Query,
        read: &impl Fn(Xml<'_>) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let request = Request {
            method: "POST",
            operation: query.operation,
            subject: &query.subject,
            path: "/",
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            body: query.body(self.version),
        };
        let answer = self.signer.send(&self.service, &request).await?;
        if answer.status != 200 {
            let trouble = refusal(query, &answer);
            if trouble.kind == Kind::Credentials {
                self.signer.forget_credentials().await;
            }
            return Err(trouble);
        }
        let document = Document::parse(&answer.body).map_err(|error| query.unreadable(&error.to_string()))?;
        read(Xml::root(&document))
    }

    /// Nothing is read of the answer: that there is one says all.
    pub(super) async fn done(&self, query: &Query) -> Result<(), Trouble> {
        self.ask(query, |_| Ok(())).await
    }

    /// All pages of a list, of which each item is read; those that `read` gives nothing for are left out.
    pub(super) async fn list<T>(
        &self,
        query: &Query,
        list: &str,
        read: impl Fn(Xml<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Trouble> {
        let query = match self.page {
            Some(things) => query.clone().with("MaxResults", things.to_string()),
            None => query.clone(),
        };
        let (mut all, mut token) = (Vec::new(), String::new());
        for _ in 0..AWS_PAGES {
            let page = match token.as_str() {
                "" => query.clone(),
                token => query.clone().with("NextToken", token),
            };
            let read_page = |xml: Xml<'_>| {
                let items: Vec<T> = xml.items(list).filter_map(&read).collect();
                Ok((items, xml.text_of("nextToken")))
            };
            let (items, next) = self.ask(&page, read_page).await?;
            all.extend(items);
            if next.is_empty() {
                return Ok(all);
            }
            token = next;
        }
        Err(query.unreadable("the list has no end"))
    }

    /// What has one of these IDs, asked for by as many filters as they take. IDs that there aren't are no fault.
    pub(super) async fn list_by_id<T>(
        &self,
        operation: &'static str,
        filter: &str,
        ids: &BTreeSet<String>,
        list: &str,
        read: impl Fn(Xml<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Trouble> {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut all = Vec::new();
        for some in ids.chunks(EC2_FILTER_VALUES) {
            let query = Query::new(operation, "").filter(filter, some.iter().copied());
            all.extend(self.list(&query, list, &read).await?);
        }
        Ok(all)
    }

    /// The 12 digits of the account whose credentials these are.
    pub(super) async fn account(&self) -> Result<String, Trouble> {
        let query = Query::new("GetCallerIdentity", "");
        let account = self.ask(&query, |xml| Ok(xml.within("Account").text().to_owned())).await?;
        if account.is_empty() { Err(query.unreadable("it names no account")) } else { Ok(account) }
    }

    pub(super) async fn vpcs(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, Vpc>, Trouble> {
        Ok(self.list_by_id("DescribeVpcs", "vpc-id", ids, "vpcSet", vpc).await?.into_iter().collect())
    }

    pub(super) async fn subnets(&self, ids: &BTreeSet<String>) -> Result<BTreeMap<String, Subnet>, Trouble> {
        let subnets = self.list_by_id("DescribeSubnets", "subnet-id", ids, "subnetSet", subnet);
        Ok(subnets.await?.into_iter().collect())
    }
}

fn refusal(query: &Query, answer: &Answer) -> Trouble {
    let document = Document::parse(&answer.body).ok();
    // EC2: Response, Errors, Error. STS: ErrorResponse, Error.
    let error = document.as_ref().map(|document| Xml::root(document).within("Error"));
    let text = |name: &str| error.map(|error| error.text_of(name)).unwrap_or_default();
    let (code, message) = (text("Code"), text("Message"));
    Said {
        operation: query.operation,
        subject: &query.subject,
        status: answer.status,
        code: &code,
        message: &message,
    }
    .trouble()
}

/// EC2 API reference, Vpc. Networks that are on their way out are none of it.
fn vpc(item: Xml<'_>) -> Option<(String, Vpc)> {
    let is_there = |item: &Xml<'_>, state: &str| item.child(state).text_of("state") == "associated";
    let v4 = item.items("cidrBlockAssociationSet").filter(|item| is_there(item, "cidrBlockState"));
    let v6 = item.items("ipv6CidrBlockAssociationSet").filter(|item| is_there(item, "ipv6CidrBlockState"));
    let v4 = v4.filter_map(|item| item.value_of("cidrBlock"));
    let v6 = v6.filter_map(|item| item.value_of("ipv6CidrBlock"));
    let cidrs: BTreeSet<IpNet> = item.value_of("cidrBlock").into_iter().chain(v4).chain(v6).collect();
    let vpc = Vpc { cidrs: cidrs.into_iter().collect(), dnssec_validation: None, autodefined_reverse: None };
    Some((item.text_of("vpcId"), vpc)).filter(|(id, _)| !id.is_empty())
}

/// EC2 API reference, Subnet. One for IPv6 alone has no IPv4 network.
fn subnet(item: Xml<'_>) -> Option<(String, Subnet)> {
    let v6 = || item.items("ipv6CidrBlockAssociationSet").find_map(|item| item.value_of("ipv6CidrBlock"));
    let cidr = item.value_of("cidrBlock").or_else(v6)?;
    Some((
        item.text_of("subnetId"),
        Subnet { vpc: item.text_of("vpcId"), az: item.text_of("availabilityZone"), cidr },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_form() {
        let tags = BTreeMap::from([("dnsfwd:owner".to_owned(), "a b".to_owned())]);
        let query = Query::new("CreateSecurityGroup", "")
            .with("GroupName", "dns+1")
            .filter("vpc-id", ["vpc-1", "vpc-2"])
            .tagged("security-group", &tags);
        assert_eq!(
            query.body(EC2_VERSION),
            "Action=CreateSecurityGroup&Version=2016-11-15&GroupName=dns%2B1&Filter.1.Name=vpc-id\
             &Filter.1.Value.1=vpc-1&Filter.1.Value.2=vpc-2&TagSpecification.1.ResourceType=security-group\
             &TagSpecification.1.Tag.1.Key=dnsfwd%3Aowner&TagSpecification.1.Tag.1.Value=a+b"
        );
    }

    #[test]
    fn a_vpc_has_the_networks_that_are_associated() {
        let answer = "<DescribeVpcsResponse><vpcSet><item><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/16</cidrBlock>\
            <cidrBlockAssociationSet><item><cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockState><state>associated</state>\
            </cidrBlockState></item><item><cidrBlock>10.1.0.0/16</cidrBlock><cidrBlockState><state>disassociated</state>\
            </cidrBlockState></item></cidrBlockAssociationSet><ipv6CidrBlockAssociationSet><item><ipv6CidrBlock>\
            2001:db8::/56</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item>\
            </ipv6CidrBlockAssociationSet></item></vpcSet></DescribeVpcsResponse>";
        let document = Document::parse(answer).expect("well-formed");
        let found: Vec<_> = Xml::root(&document).items("vpcSet").filter_map(vpc).collect();
        let cidrs: Vec<String> = found[0].1.cidrs.iter().map(IpNet::to_string).collect();
        assert_eq!((found.len(), cidrs), (1, vec!["10.0.0.0/16".to_owned(), "2001:db8::/56".to_owned()]));
    }

    #[test]
    fn both_forms_of_refusals_are_read() {
        for body in [
            "<Response><Errors><Error><Code>InvalidGroup.NotFound</Code><Message>no such</Message></Error></Errors>\
             <RequestID>1</RequestID></Response>",
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidGroup.NotFound</Code><Message>no such</Message>\
             </Error></ErrorResponse>",
        ] {
            let answer = Answer { status: 400, error_type: String::new(), body: body.to_owned() };
            let trouble = refusal(&Query::new("DeleteSecurityGroup", "security group sg-1"), &answer);
            assert_eq!(trouble.kind, Kind::NotFound);
            assert_eq!(
                trouble.to_string(),
                "security group sg-1: no such (DeleteSecurityGroup: InvalidGroup.NotFound)"
            );
        }
        let answer = Answer { status: 503, error_type: String::new(), body: "<html>".into() };
        assert_eq!(refusal(&Query::new("DescribeVpcs", ""), &answer).kind, Kind::Failed);
    }
}
