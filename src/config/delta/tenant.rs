//! What changed within tenants.
//!
//! *Invariants*: cookies are not said aloud, only that they changed.

use super::{Delta, from_to};
use crate::config::render::RenderedBlock;
use crate::config::schema::tenant::SECRET_KEYS;
use crate::config::schema::{Config, Secret, TenantCookie};
use std::collections::{BTreeMap, BTreeSet};

fn name(block: &RenderedBlock) -> String {
    let found = block.entries.iter().find(|(key, _)| *key == "name");
    found.and_then(|(_, value)| value.clone()).unwrap_or_default().replace('"', "")
}

impl Delta {
    /// The pseudowires of one tenant.
    pub(super) fn compare_pseudowires(
        &mut self,
        tenant: &str,
        old: &[&RenderedBlock],
        new: &[&RenderedBlock],
    ) {
        let by_name = |blocks: &[&RenderedBlock]| -> BTreeMap<String, RenderedBlock> {
            blocks.iter().map(|block| (name(block), (*block).clone())).collect()
        };
        let (old, new) = (by_name(old), by_name(new));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let what = format!("{tenant} pseudowire {name}");
            let (before, after) = match (old.get(name), new.get(name)) {
                (Some(before), Some(after)) => (before, after),
                (None, _) => {
                    self.change("tenant.pseudowire", format!("{what} added"));
                    continue;
                }
                (Some(_), None) => {
                    self.change("tenant.pseudowire", format!("{what} removed"));
                    continue;
                }
            };
            for ((key, before), (_, after)) in before.entries.iter().zip(&after.entries) {
                let sentence = match before != after {
                    false => continue,
                    true if SECRET_KEYS.contains(key) => format!("{what} {key}: another one"),
                    true => format!("{what} {key}: {}", from_to(before, after)),
                };
                self.change("tenant.pseudowire", sentence);
            }
        }
    }

    /// Cookies that changed in files of the same name.
    pub(super) fn compare_cookie_files(&mut self, old: &Config, new: &Config) {
        let cookies = |config: &Config| -> BTreeMap<String, Secret> {
            let pseudowires = config.tenants.iter().flat_map(|tenant| &tenant.pseudowires);
            let cookies = pseudowires.flat_map(|it| [&it.cookie, &it.remote_cookie]);
            let filed = |cookie: &TenantCookie| Some((cookie.file.clone()?, cookie.octets.clone()));
            cookies.filter_map(filed).collect()
        };
        let before = cookies(old);
        for (file, octets) in cookies(new) {
            if before.get(&file).is_some_and(|before| *before != octets) {
                let sentence = format!("[[tenant.pseudowire]] cookie: another one in {file}");
                self.change("tenant.pseudowire", sentence);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{FileError, Overrides, Source, load};

    const BASE: &str = "[router]\nname = \"a\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                        [[tenant]]\nname = \"blue\"\nid = 1\n[[tenant.pseudowire]]\nname = \"p\"\n\
                        address = \"2001:db8::2\"\nsession_id = 7\nremote_session_id = 8\n\
                        cookie = \"01020304\"\nremote_cookie = \"file:there\"\n";

    fn changes(old: &str, new: &str, digits: [&str; 2]) -> Vec<String> {
        let config = |text: &str, digits: &str| {
            let files = |_: &str| -> Result<String, FileError> { Ok(digits.to_owned()) };
            let overrides = Overrides::default();
            let source = Source { origin: "t", text, overrides: &overrides, files: &files };
            load(&source).unwrap_or_else(|errors| panic!("{errors}"))
        };
        let [before, after] = digits;
        Delta::between(&config(old, before), &config(new, after)).changes().to_vec()
    }

    #[test]
    fn cookies_change_without_being_said() {
        let same = ["0a0b0c0d"; 2];
        assert!(changes(BASE, BASE, same).is_empty());
        let other = BASE.replace("01020304", "05060708");
        let said = changes(BASE, &other, same);
        assert_eq!(said, ["tenant blue pseudowire p cookie: another one"]);
        let said = changes(BASE, BASE, ["0a0b0c0d", "0a0b0c0e"]);
        assert_eq!(said, ["[[tenant.pseudowire]] cookie: another one in file:there"]);
    }

    #[test]
    fn pseudowires_come_and_go_by_name() {
        let same = ["0a0b0c0d"; 2];
        let renamed = BASE.replace("\"p\"", "\"q\"");
        let said = changes(BASE, &renamed, same);
        let gone = "tenant blue pseudowire p removed";
        assert_eq!(said, [gone, "tenant blue pseudowire q added"]);
        let moved = BASE.replace("2001:db8::2", "2001:db8::3").replace("id = 1\n", "id = 2\n");
        let said = changes(BASE, &moved, same);
        let id = "tenant blue id: 1 → 2";
        assert_eq!(
            said,
            [id, "tenant blue pseudowire p address: \"2001:db8::2\" → \"2001:db8::3\""]
        );
    }
}
