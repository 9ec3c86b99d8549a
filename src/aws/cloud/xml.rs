//! EC2's answers as a tree: what they have of a name, and lists of it. Names are EC2's.

use std::collections::BTreeMap;
use std::str::FromStr;

use roxmltree::{Document, Node};

/// An element, or none where the answer lacks it: so that paths need no checks on their way.
#[derive(Clone, Copy)]
pub(super) struct Xml<'a>(Option<Node<'a, 'a>>);

impl<'a> Xml<'a> {
    /// The element that all others are in.
    pub(super) fn root(document: &'a Document<'a>) -> Xml<'a> {
        Xml(Some(document.root_element()))
    }

    pub(super) fn child(self, name: &str) -> Xml<'a> {
        Xml(self.0.and_then(|node| node.children().find(|child| child.tag_name().name() == name)))
    }

    /// The first element of this name at any depth.
    pub(super) fn within(self, name: &str) -> Xml<'a> {
        Xml(self.0.and_then(|node| node.descendants().find(|child| child.tag_name().name() == name)))
    }

    /// What is written in it; empty if it isn't there.
    pub(super) fn text(self) -> &'a str {
        self.0.and_then(|node| node.text()).unwrap_or_default().trim()
    }

    pub(super) fn text_of(self, name: &str) -> String {
        self.child(name).text().to_owned()
    }

    /// None if it isn't there, or is none of these.
    pub(super) fn value_of<T: FromStr>(self, name: &str) -> Option<T> {
        self.child(name).text().parse().ok()
    }

    /// The `item`s of a list of this name.
    pub(super) fn items(self, name: &str) -> impl Iterator<Item = Xml<'a>> + use<'a> {
        let children = self.child(name).0.into_iter().flat_map(|node| node.children());
        children.filter(|child| child.tag_name().name() == "item").map(|item| Xml(Some(item)))
    }

    pub(super) fn tags(self) -> BTreeMap<String, String> {
        self.items("tagSet").map(|tag| (tag.text_of("key"), tag.text_of("value"))).collect()
    }
}
