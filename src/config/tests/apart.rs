//! Rules read a group at a time: the same configuration and the same faults as from the file read whole.

use std::net::IpAddr;
use std::path::Path;

use proptest::prelude::*;

use super::super::diagnostic::render;
use super::super::text::Apart;
use super::super::{Loaded, Source, load_by, schema, socket};
use super::{Folder, machine};

fn load_whole(path: &Path) -> Loaded {
    load_by(schema::read_whole, path, machine(&|| vec![IpAddr::from([192, 0, 2, 53])]))
}

/// Loads the files in both ways, and gives the rendered faults.
fn same(folder: &Folder) -> Result<String, TestCaseError> {
    let (apart, whole) = (folder.load(), load_whole(&folder.path()));
    prop_assert_eq!(&apart.diagnostics, &whole.diagnostics);
    prop_assert_eq!((apart.zones, &apart.socket), (whole.zones, &whole.socket));
    if whole.config.is_some() {
        prop_assert_eq!(socket(&folder.path()), whole.socket);
    }
    prop_assert_eq!(apart.config, whole.config);
    Ok(render(&whole.diagnostics, false))
}

/// Whether a file is read a group at a time.
fn is_apart(text: &str) -> bool {
    let source = Source::new(Path::new("f"), text.to_owned());
    let apart = Apart::of(&source);
    let sound = apart.parse_rest().is_some();
    sound && apart.groups().all(|group| super::super::text::parse_group(&group).is_some())
}

const RULES: &str = "version = 1
[[rule]]
domain = 'a.example'
endpoint = 'one'
[[endpoint]]
name = 'one'
targets = [
  { address = '192.0.2.1' },
[ # wrong type
]]
[[rule]] # two of them
domains = [
  'b.example', 'A.example' ]
endpoint = 'ono'

[[rule]]
reverse = ['10.0.0.0/12', '10.0.0.0/12']
endpoint = 'one'
";

#[test]
fn files_that_can_be_cut_are() {
    let rule = "[[rule]]\ndomain = 'a.example'\n";
    for text in [rule, "", "version = 1\n", &format!("version = 1\r\n{rule}{rule}[log]\n{rule}"), "[[rule]]"]
    {
        assert!(is_apart(text), "{text}");
    }
    for text in [
        "[[rule]]\n[rule.x]\n",
        "rule = 3\n",
        "rule = [{ domain = 'a.example' }]\n",
        "s = '''\n[[rule]]\n'''\n",
        "s = '''\n[[rule]]\na = '''b'''\n[x]\nt = '''\n'''\n",
        "s = '''\n[[rule]]\na = '''b'''\n[x]\nt = '''\n  [[rule]]\n",
        "[x]\n  [[rule]]\n[[rule]]\n",
        "s = [\n[[rule]]\n]\n",
        "[[rule]]\na = 1\na = 2\n",
    ] {
        assert!(!is_apart(text), "{text}");
    }
}

#[test]
fn faults_are_where_they_are() {
    let uncut = RULES.replace("  'b.ex", "[],\n 'b.ex");
    for (text, cut, expected) in [
        (RULES, true, "a second rule for `a.example`"),
        // A line of a rule's list looks like a header.
        (&uncut, false, "an item of `domains` must be a string, not a list"),
    ] {
        let faults = same(&Folder::new(&[("dnsfwd.toml", text)])).unwrap();
        assert_eq!(is_apart(text), cut);
        for expected in [expected, "duplicate-domain", "unknown-endpoint"] {
            assert!(faults.contains(expected), "{expected} is not in\n{faults}");
        }
    }
}

#[test]
fn a_syntax_error_anywhere_keeps_all_files_from_complaining_of_what_is_absent() {
    let rule = "version = 1\n[[rule]]\nendpoint = 'elsewhere'\n";
    let folder = Folder::new(&[("dnsfwd.toml", rule), ("conf.d/a.toml", "[[rule]]\ndomain\n")]);
    let faults = same(&folder).unwrap();
    assert!(faults.contains("not TOML") && !faults.contains("elsewhere"), "{faults}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn both_ways_find_the_same(
        main in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..16),
        other in prop::collection::vec(prop::sample::select(LINES.to_vec()), 0..6),
    ) {
        let main = format!("version = 1\n{}", main.concat());
        same(&Folder::new(&[("dnsfwd.toml", &main), ("conf.d/other.toml", &other.concat())]))?;
    }
}

/// Rules first and often, so that files are cut, and all that could make a cut wrong.
const LINES: [&str; 36] = [
    "[[rule]]\n",
    "[[rule]]\n",
    "[[rule]]\ndomain = 'a.example'\n",
    "[[rule]]\ndomain = 'b.example'\nendpoint = 'one'\n",
    "[[rule]]\r\ndomains = ['c.example',\r\n 'd.example']\r\ntype = 'SYSTEM'\r\n",
    "[[rule]] # x\n",
    "  [[rule]]\n",
    "[[rule]]x\n",
    "[[ rule ]]\n",
    "[['rule']]\n",
    "[rule]\n",
    "[rule.x]\n",
    "[[rule.x]]\n",
    "rule = 3\n",
    "rule.x = 3\n",
    "domain = 'a.example'\n",
    "endpoint = 'one'\n",
    "endpoint = 'on\\u0065'\n",
    "reverse = ['10.0.0.0/15']\n",
    "follow_cname = false\n",
    "wrong = 1\n",
    "[[endpoint]]\nname = 'one'\ntargets = [{ address = '192.0.2.1' }]\n",
    "[server]\n",
    "[log]\nlevel = 'info'\n",
    "  [log]\nlevel = 'wrong'\n",
    "[control]\nsocket = '/tmp/x.sock'\n",
    "[\n",
    "]\n",
    "s = [\n",
    "s = '''\n",
    "'''\n",
    "t = \"\"\"\n",
    "\"\"\"\n",
    "a = '''b'''\n",
    "# é [[rule]]\n",
    "domain\n",
];
