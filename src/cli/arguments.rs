//! Words of other routers, accepted where they are meant well.
//!
//! Owns [`accept_habits`], which turns trailing words of FRR and BIRD into our options before clap
//! sees them. Other spellings of whole commands are aliases where the command is declared
//! (`show::words`).

use clap::error::{ContextKind, ContextValue};
use std::collections::BTreeSet;
use std::ffi::OsString;

/// Rewrites the arguments after `show`: `json` is `--json`, `detail` is `--detail`, `brief` and
/// `tree` say nothing here, and `route for A` is `route A`. Values of options are left alone.
pub fn accept_habits(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let word = arguments.get(1).and_then(|word| word.to_str()).unwrap_or("");
    if word.is_empty() || !"show".starts_with(word) {
        return arguments;
    }
    let mut accepted: Vec<OsString> = Vec::with_capacity(arguments.len());
    let mut is_option_value = false;
    for (place, argument) in arguments.into_iter().enumerate() {
        let is_word = place > 2 && !is_option_value;
        is_option_value = argument == "--socket";
        match argument.to_str() {
            Some("json") if is_word => accepted.push("--json".into()),
            Some("detail") if is_word => accepted.push("--detail".into()),
            Some("for") if is_word => {}
            Some(word) if is_word && is_beginning(word) => {}
            // Whoever types this knows it from other routers; `show runtime` has `runt`.
            Some("run") if place == 2 => accepted.push("config".into()),
            _ => accepted.push(argument),
        }
    }
    accepted
}

/// Commands that a later version will have, and what they are about. They stand beside the grammar,
/// so that they take no beginnings of words from the commands there are.
const LATER_COMMANDS: &[(&str, &str)] =
    &[("plan", "planning"), ("doctor", "looking at this host"), ("redistribute", "redistribution")];

/// The same after `show`.
const LATER_SHOWN: &[(&str, &str)] = &[
    ("plan", "planning"),
    ("redistribute", "redistribution"),
    ("redistribution", "redistribution"),
];

/// The error without spellings of other routers in its suggestions: those are accepted, not taught.
pub fn without_aliases(mut error: clap::Error, grammar: &clap::Command) -> clap::Error {
    let Some(ContextValue::Strings(suggested)) = error.get(ContextKind::SuggestedSubcommand) else {
        return error;
    };
    let own: BTreeSet<String> =
        suggested.iter().filter_map(|word| own_word(grammar, word)).collect();
    match own.is_empty() {
        true => error.remove(ContextKind::SuggestedSubcommand),
        false => error.insert(
            ContextKind::SuggestedSubcommand,
            ContextValue::Strings(own.into_iter().collect()),
        ),
    };
    error
}

/// Our word for one of the grammar; `None` for one that is hidden.
fn own_word(grammar: &clap::Command, word: &str) -> Option<String> {
    grammar.get_subcommands().filter(|command| !command.is_hide_set()).find_map(|command| {
        let is_it = command.get_name() == word || command.get_all_aliases().any(|a| a == word);
        if is_it { Some(command.get_name().to_owned()) } else { own_word(command, word) }
    })
}

/// What the arguments ask for that this version does not have.
pub fn asks_for_later(arguments: &[OsString]) -> Option<&'static str> {
    let word = |place: usize| arguments.get(place).and_then(|word| word.to_str()).unwrap_or("");
    let (list, asked) = match word(1) {
        "show" => (LATER_SHOWN, word(2)),
        other => (LATER_COMMANDS, other),
    };
    list.iter().find(|(name, _)| *name == asked).map(|(_, what)| *what)
}

/// Whether the word begins one that says nothing here.
fn is_beginning(word: &str) -> bool {
    word.len() > 1 && ["brief", "tree"].iter().any(|whole| whole.starts_with(word))
}

/// The host name of the system: the router's name where nothing else says one.
pub fn host_name() -> Option<String> {
    let system = rustix::system::uname();
    let name = system.nodename().to_str().ok()?;
    (!name.is_empty() && name != "(none)").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habits(line: &str) -> String {
        let words = accept_habits(line.split(' ').map(OsString::from));
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_of_frr_and_bird_become_options() {
        assert_eq!(habits("kumiki show ospf neighbor json"), "kumiki show ospf neighbor --json");
        assert_eq!(habits("kumiki show route for fd00::1"), "kumiki show route fd00::1");
        assert_eq!(habits("kumiki sh ipv6 ospf6 spf tree json"), "kumiki sh ipv6 ospf6 spf --json");
        assert_eq!(habits("kumiki show interface brief"), "kumiki show interface");
        assert_eq!(habits("kumiki sh int br"), "kumiki sh int");
        assert_eq!(habits("kumiki show run"), "kumiki show config");
        assert_eq!(
            habits("kumiki show port json --socket json"),
            "kumiki show port --json --socket json"
        );
    }

    #[test]
    fn what_later_versions_have_is_known_by_whole_words() {
        let asks = |line: &str| {
            let words: Vec<_> = line.split(' ').map(OsString::from).collect();
            asks_for_later(&words)
        };
        assert_eq!(asks("kumiki plan --servers 8"), Some("planning"));
        assert_eq!(asks("kumiki show tenant"), None);
        assert_eq!(asks("kumiki show redistribute json"), Some("redistribution"));
        assert_eq!(asks("kumiki show p"), None);
        assert_eq!(asks("kumiki lab plan"), None);
        assert_eq!(asks("kumiki"), None);
    }

    #[test]
    fn suggestions_are_in_our_own_words() {
        let grammar = clap::Command::new("kumiki").subcommand(
            clap::Command::new("show")
                .subcommand(clap::Command::new("port").aliases(["interface", "interfaces"]))
                .subcommand(clap::Command::new("ipv6").hide(true)),
        );
        let tried = grammar.clone().try_get_matches_from(["kumiki", "show", "interfac1"]);
        let text = without_aliases(tried.unwrap_err(), &grammar).to_string();
        assert!(text.contains("'port'") && !text.contains("'interface'"), "{text}");
        let tried = grammar.clone().try_get_matches_from(["kumiki", "show", "ipv7"]);
        let text = without_aliases(tried.unwrap_err(), &grammar).to_string();
        assert!(!text.contains("'ipv6'"), "{text}");
    }

    #[test]
    fn other_commands_are_left_alone() {
        assert_eq!(habits("kumiki config schema json"), "kumiki config schema json");
        assert_eq!(habits("kumiki"), "kumiki");
    }
}
