//! Golden cases of the configuration: one folder a case under `data`.
//!
//! A case is `input.toml`, further files that it names, and `expected.txt`: what `kumiki config
//! check` says without colour, or the rendered configuration when nothing is wrong.
//! `UPDATE_GOLDEN=1` rewrites the expected files; review the difference.

use kumiki::config::schema::{BgpOrigin, RpkiWord};
use kumiki::config::{Config, FileError, Overrides, Source, load};
use kumiki::control::bgp_settings::{Trial, try_policy};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/data")
}

/// What the router says to the case in this folder.
fn answer(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("input.toml")).expect("input.toml");
    let files = |path: &str| {
        let found = fs::read_to_string(folder.join(path));
        found.map_err(|_| FileError { reason: "no such file".to_owned() })
    };
    let overrides = Overrides { host_name: Some("test-host".to_owned()), ..Overrides::default() };
    let source = Source { origin: "input.toml", text: &text, overrides: &overrides, files: &files };
    match load(&source) {
        Ok(config) => kumiki::config::render(&config),
        Err(errors) => format!("{errors}\n"),
    }
}

/// Compares `actual` with the file, or rewrites the file when asked to.
fn compare(expected: &Path, actual: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(expected, actual).expect("golden file is writable");
    }
    let wanted = fs::read_to_string(expected).unwrap_or_default();
    if wanted == actual {
        return Ok(());
    }
    Err(format!("{}\n--- expected\n{wanted}\n--- actual\n{actual}", expected.display()))
}

#[test]
fn every_case_is_answered_as_written_down() {
    let mut folders: Vec<_> =
        fs::read_dir(root()).expect("cases").map(|entry| entry.expect("entry").path()).collect();
    folders.sort();
    assert!(folders.len() > 10, "the cases are gone");
    let different: Vec<_> = folders
        .iter()
        .filter_map(|folder| compare(&folder.join("expected.txt"), &answer(folder)).err())
        .collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn the_manual_is_that_of_the_program() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    fs::create_dir_all(file.parent().expect("a folder")).expect("docs");
    let different = compare(&file, &kumiki::config::document::markdown()).err();
    assert!(different.is_none(), "{}", different.unwrap_or_default());
}

/// The pieces of configuration in a text for people.
fn examples(name: &str) -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(file).expect(name);
    let pieces = text.split("```toml\n").skip(1);
    let pieces: Vec<_> =
        pieces.filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect();
    assert!(!pieces.is_empty(), "the examples of {name} are gone");
    pieces
}

fn assert_right(name: &str, text: &str) {
    let files = |_: &str| Ok("secret\n".to_owned());
    let overrides = Overrides { name: Some("s07".to_owned()), number: Some(7), host_name: None };
    let source = Source { origin: name, text, overrides: &overrides, files: &files };
    assert!(load(&source).is_ok(), "{}", load(&source).unwrap_err());
}

#[test]
fn the_examples_of_the_readme_are_right() {
    examples("README.md").iter().for_each(|text| assert_right("README.md", text));
}

/// The configuration that the examples of the chapter on BGP make together.
fn edge() -> Config {
    let text = examples("docs/bgp.md").concat();
    let files = |_: &str| Ok("secret\n".to_owned());
    let overrides = Overrides { name: Some("s07".to_owned()), number: Some(7), host_name: None };
    let source = Source { origin: "bgp.md", text: &text, overrides: &overrides, files: &files };
    load(&source).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Who decides about a route in a policy of the chapter, and how.
fn decision(policy: &str, prefix: &str, as_path: &[u32], rpki: RpkiWord) -> (Option<usize>, bool) {
    let trial = Trial {
        prefix: prefix.parse().expect("a prefix"),
        as_path: as_path.to_vec(),
        communities: Vec::new(),
        local_pref: None,
        med: None,
        origin: BgpOrigin::Igp,
        next_hop: None,
        rpki: Some(rpki),
    };
    let report = try_policy(&edge(), policy, &trial).expect("a policy of the chapter");
    (report.decided_by, report.is_accepted)
}

#[test]
fn the_policy_for_servers_takes_what_servers_announce_and_nothing_else() {
    let server = [4_200_000_001];
    let unknown = RpkiWord::NotFound;
    let service = "2001:db8:4000:7::53/128";
    assert_eq!(decision("from-servers", service, &server, unknown), (Some(1), true));
    assert_eq!(decision("from-servers", service, &[64512, 64513], unknown), (None, false));
    let others = "2001:db8:4000:8::53/128";
    assert_eq!(decision("from-servers", others, &server, unknown), (None, false));
    assert_eq!(decision("from-servers", "::/0", &server, unknown), (None, false));
}

#[test]
fn the_clause_about_the_rpki_stands_where_it_rejects() {
    let path = [64496];
    let peers = |rpki| decision("from-peers", "2001:db9::/32", &path, rpki);
    assert_eq!(peers(RpkiWord::Invalid), (Some(1), false));
    assert_eq!(peers(RpkiWord::Valid), (Some(2), true));
    assert_eq!(peers(RpkiWord::NotFound), (Some(2), true));
}

#[test]
fn of_the_examples_of_the_chapter_nothing_is_to_be_said() {
    let advice = kumiki::config::advice(&edge());
    let said: Vec<String> = advice.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "{said:#?}");
}

#[test]
fn dynamic_neighbors_of_the_chapter_have_the_policy_for_servers() {
    let dynamics = edge().bgp.expect("BGP").dynamics;
    let import = dynamics.iter().map(|dynamic| dynamic.keys.import.as_deref());
    assert_eq!(import.collect::<Vec<_>>(), [Some("from-servers")]);
}

#[test]
fn the_examples_of_the_chapter_on_bgp_are_one_configuration_that_is_right() {
    assert_right("docs/bgp.md", &examples("docs/bgp.md").concat());
}
