//! Lists of networks that are allowed and refused, as the list of allowed networks that says the same.

use ipnet::IpNet;

/// What one entry of a list says.
pub type Word = (IpNet, bool);

/// Which of several entries that fit decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decides {
    First,
    Longest,
}

/// All addresses that the list allows, as few networks as they make. What no entry fits is as `otherwise` says.
pub fn allowed(words: &[Word], decides: Decides, otherwise: bool) -> Vec<IpNet> {
    let mut found = Vec::new();
    for all in ["0.0.0.0/0", "::/0"] {
        let all: IpNet = all.parse().expect("it is a network");
        let words: Vec<Word> = words.iter().copied().filter(|(net, _)| same_family(net, &all)).collect();
        gather(all, &words, decides, otherwise, &mut found);
    }
    IpNet::aggregate(&found)
}

fn same_family(one: &IpNet, other: &IpNet) -> bool {
    one.addr().is_ipv4() == other.addr().is_ipv4()
}

/// Halves the network until no entry cuts it: 128 times at most.
fn gather(network: IpNet, words: &[Word], decides: Decides, otherwise: bool, found: &mut Vec<IpNet>) {
    if words.iter().any(|(inner, _)| network.contains(inner) && *inner != network) {
        let halves = network.subnets(network.prefix_len() + 1).expect("an inner network has a longer prefix");
        for half in halves {
            let meets = |(net, _): &&Word| net.contains(&half) || half.contains(net);
            let words: Vec<Word> = words.iter().filter(meets).copied().collect();
            gather(half, &words, decides, otherwise, found);
        }
        return;
    }
    let mut over = words.iter().filter(|(net, _)| net.contains(&network));
    let word = match decides {
        Decides::First => over.next(),
        Decides::Longest => over.max_by_key(|(net, _)| net.prefix_len()),
    };
    if word.map_or(otherwise, |(_, allowed)| *allowed) {
        found.push(network);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[(&str, bool)], decides: Decides, otherwise: bool) -> Vec<String> {
        let words: Vec<Word> = words.iter().map(|(net, allowed)| (net.parse().unwrap(), *allowed)).collect();
        allowed(&words, decides, otherwise).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_longest_prefix_decides() {
        let words = [("10.0.0.0/8", true), ("10.0.0.0/9", false), ("10.0.0.0/10", true)];
        assert_eq!(list(&words, Decides::Longest, false), ["10.0.0.0/10", "10.128.0.0/9"]);
        assert_eq!(list(&words, Decides::First, false), ["10.0.0.0/8"]);
        assert_eq!(list(&[], Decides::Longest, true), ["0.0.0.0/0", "::/0"]);
        assert_eq!(list(&[("::/1", false)], Decides::First, true), ["0.0.0.0/0", "8000::/1"]);
    }

    #[test]
    fn one_address_out_of_a_network() {
        let words = [("10.0.0.0/30", true), ("10.0.0.1/32", false)];
        assert_eq!(list(&words, Decides::Longest, false), ["10.0.0.0/32", "10.0.0.2/31"]);
    }
}
