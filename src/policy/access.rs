//! Access lists: which clients may do something. Elements, negations and lists within lists become sorted ranges
//! once; a client then costs one binary search.
//!
//! They mean what BIND's address match lists mean. The ARM's section "Address Match Lists": elements are compared
//! in order, the first that fits decides, `!` before it turns "allowed" into "refused", and what no element fits is
//! refused. Of lists within lists the ARM is silent and BIND's `dns_acl_match` decides: an element fits if the
//! list that it names *allows* the client; if that list refuses it, by a negated element or by having none that
//! fits, the element does not fit and the search goes on. So a negated list never becomes a grant by double
//! negation. `none` is `!any`.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::ranges::Ranges;
use crate::wire::name::Name;

/// One element of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Written with `!`: clients that fit are refused.
    pub refuses: bool,
    pub clients: Clients,
}

/// Whom an element fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    Any,
    /// As `!any`.
    None,
    Network(IpNet),
    /// Requests signed with this key (RFC 8945), an index into the configuration's.
    Key(u32, Name),
    /// Whom the list allows. `localhost` and `localnets` are such lists.
    List(Arc<Acl>),
}

/// A list with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub name: String,
    pub elements: Vec<Element>,
}

impl Element {
    /// Lets a network in.
    pub fn network(network: IpNet) -> Element {
        Element { refuses: false, clients: Clients::Network(network) }
    }

    /// Whether clients that fit are allowed.
    fn allows(&self) -> bool {
        self.refuses == (self.clients == Clients::None)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.refuses { "!" } else { "" })?;
        match &self.clients {
            Clients::Any => f.write_str("any"),
            Clients::None => f.write_str("none"),
            Clients::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                network.addr().fmt(f)
            }
            Clients::Network(network) => network.fmt(f),
            Clients::Key(_, name) => write!(f, "key:{name}"),
            Clients::List(list) => f.write_str(&list.name),
        }
    }
}

/// An access list, ready to be asked.
#[derive(Clone)]
pub struct AccessList {
    elements: Vec<Element>,
    /// Whom it allows without a key, or with one that it does not name.
    unsigned: Ranges,
    /// Whom it allows with each key that it names.
    signed: Vec<(u32, Ranges)>,
    /// Elements that never decide: those before them decide otherwise for all whom they fit.
    overruled: Vec<usize>,
}

impl AccessList {
    pub fn new(elements: Vec<Element>) -> AccessList {
        let mut keys = Vec::new();
        keys_of(&elements, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        let (unsigned, mut parts) = Maker::of(None).make(&elements);
        let mut signed = Vec::new();
        for key in keys {
            let (ranges, with_key) = Maker::of(Some(key)).make(&elements);
            signed.push((key, ranges));
            for (part, with_key) in parts.iter_mut().zip(with_key) {
                *part = if *part == Part::Idle || with_key == Part::Decides { with_key } else { *part };
            }
        }
        let overruled = (0..elements.len()).filter(|&index| parts[index] == Part::Overruled).collect();
        AccessList { elements, unsigned, signed, overruled }
    }

    /// Whether a client may, its request being without a key.
    #[inline]
    pub fn allows(&self, client: IpAddr) -> bool {
        self.unsigned.contains(client)
    }

    /// Whether a client may whose request is signed with this key, and soundly: the caller has seen to that.
    pub fn allows_with(&self, client: IpAddr, key: Option<u32>) -> bool {
        self.ranges(key).contains(client)
    }

    fn ranges(&self, key: Option<u32>) -> &Ranges {
        let signed = key.and_then(|key| self.signed.iter().find(|(other, _)| *other == key));
        signed.map_or(&self.unsigned, |(_, ranges)| ranges)
    }

    /// The element that decides on a client, `vpn (10.200.0.0/16)` of a list within it; none if none fits. For
    /// whoever wants to know why: goes through the elements one by one.
    pub fn decided_by(&self, client: IpAddr, key: Option<u32>) -> Option<String> {
        decide(&self.elements, client, key).map(|(_, by)| by)
    }

    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// The indices of elements that never decide, as those before them decide otherwise for all whom they fit.
    pub fn overruled(&self) -> &[usize] {
        &self.overruled
    }

    /// Whether each client that the list allows is allowed by one of the others, whatever key it has.
    pub fn is_within<'a>(&self, others: impl Iterator<Item = &'a AccessList> + Clone) -> bool {
        let keys = self.keys().chain(others.clone().flat_map(AccessList::keys));
        keys.chain([None]).all(|key| self.besides(others.clone(), key).is_empty())
    }

    /// Whether some client that the list allows, and none of the others before it, is allowed by `door` too, with one
    /// key or without any.
    pub fn is_let_in<'a>(
        &self,
        before: impl Iterator<Item = &'a AccessList> + Clone,
        door: &AccessList,
    ) -> bool {
        let keys = self.keys().chain(before.clone().flat_map(AccessList::keys)).chain(door.keys());
        keys.chain([None]).any(|key| {
            let own = self.besides(before.clone(), key);
            own.without(door.ranges(key)) != own
        })
    }

    /// The keys that it names.
    fn keys(&self) -> impl Iterator<Item = Option<u32>> {
        self.signed.iter().map(|(key, _)| Some(*key))
    }

    /// Whom the list allows with this key, and none of the others does.
    fn besides<'a>(&self, others: impl Iterator<Item = &'a AccessList>, key: Option<u32>) -> Ranges {
        let mut taken = Ranges::default();
        others.for_each(|other| taken.add(other.ranges(key)));
        self.ranges(key).without(&taken)
    }
}

/// What a list was made of says all.
impl PartialEq for AccessList {
    fn eq(&self, other: &AccessList) -> bool {
        self.elements == other.elements
    }
}

impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.elements.fmt(f)
    }
}

impl fmt::Display for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(&self.elements, f)
    }
}

impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        listed(&self.elements, f)
    }
}

fn listed(elements: &[Element], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, element) in elements.iter().enumerate() {
        write!(f, "{}{element}", if index > 0 { ", " } else { "" })?;
    }
    Ok(())
}

fn keys_of(elements: &[Element], keys: &mut Vec<u32>) {
    for element in elements {
        match &element.clients {
            Clients::Key(key, _) => keys.push(*key),
            Clients::List(list) => keys_of(&list.elements, keys),
            Clients::Any | Clients::None | Clients::Network(_) => {}
        }
    }
}

fn decide(elements: &[Element], client: IpAddr, key: Option<u32>) -> Option<(bool, String)> {
    elements.iter().find_map(|element| {
        let by = match &element.clients {
            Clients::Any | Clients::None => Some(element.to_string()),
            Clients::Network(network) => Ranges::of([*network]).contains(client).then(|| element.to_string()),
            Clients::Key(wanted, _) => (key == Some(*wanted)).then(|| element.to_string()),
            Clients::List(list) => decide(&list.elements, client, key)
                .filter(|(allowed, _)| *allowed)
                .map(|(_, by)| format!("{element} ({by})")),
        };
        by.map(|by| (element.allows(), by))
    })
}

/// Makes ranges of elements, for requests with one key or none. A list that is named twice is made once.
struct Maker {
    key: Option<u32>,
    lists: HashMap<*const Acl, Ranges>,
}

/// What an element does for requests with one key or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It fits nobody.
    Idle,
    /// Those before it decide on all whom it fits.
    Overruled,
    Decides,
}

impl Maker {
    fn of(key: Option<u32>) -> Maker {
        Maker { key, lists: HashMap::new() }
    }

    /// The clients that the elements allow, and the part that each element has in that.
    fn make(&mut self, elements: &[Element]) -> (Ranges, Vec<Part>) {
        let (mut allowed, mut decided) = (Ranges::default(), Ranges::default());
        let mut parts = Vec::with_capacity(elements.len());
        // Neighbours that decide alike are taken at once: of 10,000 networks in a row, the order says nothing.
        for alike in elements.chunk_by(|one, other| one.allows() == other.allows()) {
            let mut fits = Ranges::of(alike.iter().filter_map(network_of));
            for element in alike {
                let own = self.fits(element);
                parts.push(match own.is_empty() {
                    true => Part::Idle,
                    false if own.without(&decided).is_empty() => Part::Overruled,
                    false => Part::Decides,
                });
                if network_of(element).is_none() {
                    fits.add(&own);
                }
            }
            if alike[0].allows() {
                allowed.add(&fits.without(&decided));
            }
            decided.add(&fits);
        }
        (allowed, parts)
    }

    /// Whom an element fits.
    fn fits(&mut self, element: &Element) -> Ranges {
        match &element.clients {
            Clients::Any | Clients::None => Ranges::all(),
            Clients::Network(network) => Ranges::of([*network]),
            Clients::Key(key, _) if self.key == Some(*key) => Ranges::all(),
            Clients::Key(..) => Ranges::default(),
            Clients::List(list) => {
                if let Some(known) = self.lists.get(&Arc::as_ptr(list)) {
                    return known.clone();
                }
                let (allowed, _) = self.make(&list.elements);
                self.lists.insert(Arc::as_ptr(list), allowed.clone());
                allowed
            }
        }
    }
}

fn network_of(element: &Element) -> Option<IpNet> {
    match &element.clients {
        Clients::Network(network) => Some(*network),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allow(clients: Clients) -> Element {
        Element { refuses: false, clients }
    }

    fn refuse(clients: Clients) -> Element {
        Element { refuses: true, clients }
    }

    fn net(text: &str) -> Clients {
        Clients::Network(text.parse().unwrap())
    }

    fn key(index: u32) -> Clients {
        Clients::Key(index, Name::parse(&format!("key{index}")).unwrap())
    }

    fn list(elements: Vec<Element>) -> Clients {
        Clients::List(Arc::new(Acl { name: "inner".to_string(), elements }))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn borders_of_networks() {
        let networks =
            ["10.0.0.0/8", "10.1.0.0/16", "192.168.1.4/30", "2001:db8::/32", "::ffff:172.16.0.0/108"];
        let list = AccessList::new(networks.map(|network| allow(net(network))).to_vec());
        for (client, allowed) in [
            ("9.255.255.255", false),
            ("10.0.0.0", true),
            ("10.255.255.255", true),
            ("11.0.0.0", false),
            ("192.168.1.3", false),
            ("192.168.1.7", true),
            ("192.168.1.8", false),
            ("172.31.255.255", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:10.2.3.4", true),
            ("::ffff:11.2.3.4", false),
        ] {
            assert_eq!(list.allows(ip(client)), allowed, "{client}");
        }
        assert!(!AccessList::new(Vec::new()).allows(ip("127.0.0.1")));
    }

    #[test]
    fn the_first_element_that_fits_decides() {
        let elements = vec![
            refuse(net("10.9.0.0/16")),
            allow(net("10.0.0.0/8")),
            allow(key(3)),
            refuse(net("10.1.0.0/16")),
        ];
        let list = AccessList::new(elements);
        for (client, key, allowed, by) in [
            ("10.9.1.1", Some(3), false, Some("!10.9.0.0/16")),
            ("10.1.0.1", None, true, Some("10.0.0.0/8")),
            ("192.0.2.1", Some(3), true, Some("key:key3")),
            ("192.0.2.1", Some(4), false, None),
            ("192.0.2.1", None, false, None),
        ] {
            assert_eq!(list.allows_with(ip(client), key), allowed, "{client} {key:?}");
            assert_eq!(list.decided_by(ip(client), key).as_deref(), by, "{client} {key:?}");
        }
        assert_eq!(list.overruled(), [3]);
        assert_eq!(list.to_string(), "!10.9.0.0/16, 10.0.0.0/8, key:key3, !10.1.0.0/16");
    }

    /// `allow-update { !{ !10/8; any; }; key foo; }`: BIND's way to ask for an address and a key.
    #[test]
    fn a_refusal_within_a_list_lets_the_search_go_on() {
        let not_ours = list(vec![refuse(net("10.0.0.0/8")), allow(Clients::Any)]);
        let both = AccessList::new(vec![refuse(not_ours), allow(key(0))]);
        assert!(both.allows_with(ip("10.1.1.1"), Some(0)));
        assert!(!both.allows_with(ip("192.0.2.1"), Some(0)) && !both.allows(ip("10.1.1.1")));
        // A list that refuses some refuses them only where it stands.
        let inner = list(vec![refuse(net("10.0.0.0/8")), allow(Clients::Any)]);
        let outer = AccessList::new(vec![allow(inner), allow(net("10.1.0.0/16"))]);
        assert!(
            outer.allows(ip("10.1.1.1")) && !outer.allows(ip("10.2.1.1")) && outer.allows(ip("192.0.2.1"))
        );
        assert_eq!(outer.decided_by(ip("192.0.2.1"), None).as_deref(), Some("inner (any)"));
    }

    #[test]
    fn none_is_not_any() {
        let nobody = AccessList::new(vec![allow(Clients::None), allow(Clients::Any)]);
        assert!(!nobody.allows(ip("192.0.2.1")));
        assert_eq!(nobody.overruled(), [1]);
        assert!(AccessList::new(vec![refuse(Clients::None)]).allows(ip("2001:db8::1")));
    }

    #[test]
    fn lists_within_others() {
        let of = |elements: &[Element]| AccessList::new(elements.to_vec());
        let small = of(&[allow(net("10.1.0.0/16")), allow(key(1))]);
        let ten = of(&[allow(net("10.0.0.0/8"))]);
        let signed = of(&[allow(key(1))]);
        assert!(!small.is_within([&ten].into_iter()) && !small.is_within([&signed].into_iter()));
        assert!(small.is_within([&ten, &signed].into_iter()));
        assert!(
            !of(&[allow(Clients::Any)]).is_within([&of(&[refuse(key(2)), allow(Clients::Any)])].into_iter())
        );
    }

    #[test]
    fn whom_a_door_lets_in() {
        let of = |elements: &[Element]| AccessList::new(elements.to_vec());
        let ten = of(&[allow(net("10.0.0.0/8"))]);
        let half = of(&[allow(net("10.0.0.0/9"))]);
        let other = of(&[allow(net("10.128.0.0/9"))]);
        let signed = of(&[allow(key(1))]);
        let nobody = || std::iter::empty();
        assert!(ten.is_let_in(nobody(), &half) && half.is_let_in(nobody(), &ten));
        assert!(!half.is_let_in(nobody(), &other));
        assert!(!ten.is_let_in([&half].into_iter(), &half) && ten.is_let_in([&half].into_iter(), &other));
        assert!(signed.is_let_in(nobody(), &ten) && ten.is_let_in(nobody(), &signed), "with the key");
        assert!(!signed.is_let_in([&signed].into_iter(), &ten));
        assert!(!ten.is_let_in(nobody(), &of(&[refuse(key(1)), allow(Clients::None)])));
    }

    /// What the list says, element by element.
    fn naive(elements: &[Element], client: u8, key: Option<u32>) -> Option<bool> {
        for element in elements {
            let fits = match &element.clients {
                Clients::Any | Clients::None => true,
                Clients::Network(network) => network.contains(&IpAddr::from([192, 0, 2, client])),
                Clients::Key(wanted, _) => key == Some(*wanted),
                Clients::List(list) => naive(&list.elements, client, key) == Some(true),
            };
            if fits {
                return Some(element.refuses == (element.clients == Clients::None));
            }
        }
        None
    }

    fn elements() -> impl Strategy<Value = Vec<Element>> {
        let network = (0..32u8, 27..=32u8).prop_map(|(host, prefix)| {
            Clients::Network(IpNet::new([192, 0, 2, host].into(), prefix).unwrap().trunc())
        });
        let leaf = prop_oneof![8 => network, 1 => Just(Clients::Any), 1 => Just(Clients::None), 2 => (0..2u32).prop_map(key)];
        fn of(clients: impl Strategy<Value = Clients>) -> impl Strategy<Value = Vec<(bool, Clients)>> {
            prop::collection::vec((any::<bool>(), clients), 0..7)
        }
        fn made(all: Vec<(bool, Clients)>) -> Vec<Element> {
            all.into_iter().map(|(refuses, clients)| Element { refuses, clients }).collect()
        }
        let clients = leaf.prop_recursive(3, 40, 6, |inner| of(inner).prop_map(|all| list(made(all))));
        of(clients).prop_map(made)
    }

    proptest! {
        #[test]
        fn ranges_say_what_the_elements_say(elements in elements()) {
            let list = AccessList::new(elements.clone());
            for client in 0..34 {
                for key in [None, Some(0), Some(1), Some(7)] {
                    let allowed = naive(&elements, client, key) == Some(true);
                    let address = IpAddr::from([192, 0, 2, client]);
                    prop_assert_eq!(list.allows_with(address, key), allowed, "{} {:?}: {}", client, key, list);
                    prop_assert_eq!(decide(&elements, address, key).map(|(allowed, _)| allowed), naive(&elements, client, key));
                }
            }
            // What is said to decide nothing can go.
            for &index in list.overruled() {
                let mut fewer = elements.clone();
                fewer.remove(index);
                let fewer = AccessList::new(fewer);
                prop_assert!(fewer.is_within([&list].into_iter()) && list.is_within([&fewer].into_iter()));
            }
        }
    }
}
