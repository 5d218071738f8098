//! What of tenants can run and is probably not meant.

use super::{Advice, say};
use crate::config::problem::KeyPath;
use crate::config::schema::{Config, PortDevice, PortRole};

/// Tenants that are nowhere, that have no members, and ports that nobody has.
pub(super) fn about_tenants(config: &Config, sentences: &mut Vec<Advice>) {
    let has_key = config.cluster.as_ref().is_some_and(|cluster| cluster.key.is_some());
    for (index, tenant) in config.tenants.iter().enumerate() {
        let path = |key| KeyPath::listed("tenant", index, key);
        if tenant.ports.is_empty() {
            let message = format!("`{}` is active on no server", tenant.name);
            sentences.push(say(path("ports"), message, "name the ports that belong to it"));
        } else if !has_key {
            let message = "other servers of the cluster are no members: there is no key";
            let remedy = "add `key = \"file:PATH\"` to [cluster], the same on every server";
            sentences.push(say(path(""), message, remedy));
        }
        for (number, pseudowire) in tenant.pseudowires.iter().enumerate() {
            if pseudowire.cookie.octets.0.is_empty() {
                let path = KeyPath::nested("tenant.pseudowire", (index, number), "cookie");
                let message = "whoever can send with the peer's address can put frames into it";
                sentences.push(say(path, message, "give both ends a cookie of 16 digits"));
            }
        }
    }
    for (index, port) in config.ports.iter().enumerate() {
        // Of a block that matches the devices have names of their own.
        let is_one = !matches!(port.device, PortDevice::Match { .. });
        let mut entries = config.tenants.iter().flat_map(|tenant| &tenant.ports);
        let is_named = entries.any(|entry| entry.port == port.name);
        if port.role == PortRole::Tenant && is_one && !is_named {
            let path = KeyPath::listed("port", index, "");
            let message = format!("no tenant has `{}`: its frames are dropped", port.name);
            sentences.push(say(path, message, "name it in `ports` of a [[tenant]]"));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{NoFiles, Overrides, Source, advice, load};

    #[test]
    fn tenants_without_ports_members_and_cookies_are_named() {
        let text = "[router]\nname = \"a\"\n[cluster]\nula = \"fd00::/48\"\nnumber = 1\n\
                    [[port]]\ndevice = \"tap:vm1\"\nname = \"vm1\"\nrole = \"tenant\"\n\
                    [[port]]\ndevice = \"tap:vm2\"\nname = \"vm2\"\nrole = \"tenant\"\n\
                    [[tenant]]\nname = \"blue\"\nid = 1\nports = [\"vm1\"]\n\
                    [[tenant.pseudowire]]\naddress = \"2001:db8::2\"\nsession_id = 1\n\
                    remote_session_id = 1\n\
                    [[tenant]]\nname = \"red\"\nid = 2\n\
                    [[tenant.pseudowire]]\naddress = \"2001:db8::3\"\nsession_id = 2\n\
                    remote_session_id = 1\ncookie = \"0011223344556677\"\n";
        let overrides = Overrides::default();
        let source = Source { origin: "t", text, overrides: &overrides, files: &NoFiles };
        let config = load(&source).unwrap_or_else(|errors| panic!("{errors}"));
        let said: Vec<String> = advice(&config).iter().map(ToString::to_string).collect();
        assert!(said[0].starts_with("[[tenant]] 1: other servers of the cluster"), "{said:?}");
        assert!(said[1].contains("[[tenant.pseudowire]] 1 cookie: whoever"), "{said:?}");
        assert!(said[2].starts_with("[[tenant]] 2 ports: `red` is active on no"), "{said:?}");
        assert!(said[3].starts_with("[[port]] 2: no tenant has `vm2`"), "{said:?}");
        assert_eq!(said.len(), 4, "{said:?}");
    }
}
