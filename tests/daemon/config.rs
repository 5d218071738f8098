//! What `config diff` and `config apply` ask of a router that runs.

use crate::bench::{Bench, CONFIG};
use kumiki::api::{ApiError, ReplyBody, RequestBody};
use kumiki::cli::client::{Client, ClientError};
use kumiki::config::Overrides;
use std::path::Path;

fn ask(socket: &Path, body: RequestBody) -> Result<ReplyBody, ClientError> {
    Client::connect(socket).unwrap().ask(body)
}

fn diff(text: &str, file: Option<&Path>) -> RequestBody {
    let file = file.map(|file| file.display().to_string());
    RequestBody::ConfigDiff { text: text.to_owned(), file }
}

fn apply(text: &str, file: &Path) -> RequestBody {
    let file = Some(file.display().to_string());
    RequestBody::ConfigApply { text: text.to_owned(), file }
}

#[test]
fn a_difference_is_what_applying_does() {
    let overrides =
        Overrides { number: Some(7), name: Some("s07".to_owned()), ..Overrides::default() };
    let mut bench = Bench::new();
    bench.overrides = overrides;
    // The other file stands elsewhere, and names a file that is there and not beside the first.
    let elsewhere = tempfile::tempdir().unwrap();
    let other = elsewhere.path().join("other.toml");
    std::fs::write(elsewhere.path().join("more.txt"), "2001:db8::/32\n").unwrap();
    let new = format!(
        "{CONFIG}[ospf]\ncost = 20\n[[route]]\nprefixes = \"more.txt\"\nvia = \"blackhole\"\n"
    );
    bench.run(CONFIG, |socket| {
        let same = ask(socket, diff(CONFIG, None)).unwrap();
        let nothing = ReplyBody::Difference { changes: Vec::new(), needs_restart: Vec::new() };
        assert_eq!(same, nothing, "name and number of the command line hold");
        let ReplyBody::Difference { changes, .. } = ask(socket, diff(&new, Some(&other))).unwrap()
        else {
            unreachable!("a difference")
        };
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes[0].contains("cost: 10 → 20"), "{changes:?}");
        let again = ask(socket, diff(&new, Some(&other))).unwrap();
        assert!(matches!(again, ReplyBody::Difference { changes, .. } if changes.len() == 2));
        let ReplyBody::Applied { changes: applied, .. } = ask(socket, apply(&new, &other)).unwrap()
        else {
            unreachable!("it is applied")
        };
        assert_eq!(applied, changes);
        assert_eq!(ask(socket, diff(&new, Some(&other))).unwrap(), nothing);
        let refused = ask(socket, diff(&new, None)).unwrap_err();
        assert!(
            matches!(&refused, ClientError::Refused(ApiError::Configuration(text))
                     if text.contains("more.txt")),
            "in the place of the router's own file it names nothing: {refused}"
        );
        bench.blow_up();
    });
}
