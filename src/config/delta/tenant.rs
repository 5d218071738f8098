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
