//! An archive of files as a kernel unpacks it into its first file system: cpio, format newc.
//!
//! Owns [`Archive`]. Everything is root's and made at the beginning of time.
//!
//! *Invariants*: a file comes after the directories it is in; the same files, the same octets.
//! *Standards*: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_777;
const CONSOLE: u32 = 0o020_600;

/// An archive that grows.
#[derive(Default)]
pub struct Archive {
    octets: Vec<u8>,
    directories: BTreeSet<String>,
    count: usize,
}

impl Archive {
    /// Adds a file that may be run; `path` begins without a slash.
    pub fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, (PROGRAM, (0, 0)), content);
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.entry(path, (LINK, (0, 0)), target.as_bytes());
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str) {
        if self.directories.insert(path.to_owned()) {
            self.entry(path, (DIRECTORY, (0, 0)), b"");
        }
    }

    /// Adds the console, without which the first process says nothing.
    pub fn console(&mut self, path: &str) {
        self.entry(path, (CONSOLE, (5, 1)), b"");
    }

    fn entry(&mut self, path: &str, (mode, device): (u32, (u32, u32)), content: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
        self.count += 1;
        let number = |value: usize| format!("{value:08x}");
        let size = u32::try_from(content.len()).unwrap();
        let links = 1;
        let fields = [mode, 0, 0, links, 0, size, 0, 0, device.0, device.1];
        self.octets.extend(format!("070701{}", number(self.count)).bytes());
        self.octets.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        self.octets.extend(format!("{}{}{path}\0", number(path.len() + 1), number(0)).bytes());
        self.align();
        self.octets.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.octets.resize(self.octets.len().next_multiple_of(4), 0);
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", (0, (0, 0)), b"");
        self.octets
    }
}

#[test]
fn an_archive_has_its_directories_before_its_files_and_ends_with_the_trailer() {
    let mut archive = Archive::default();
    archive.file("a/b/c", b"12345");
    archive.link("a/d", "b/c");
    let octets = archive.finish();
    assert_eq!(octets.len() % 4, 0);
    let text = String::from_utf8(octets).unwrap();
    let places = ["a\0", "a/b\0", "a/b/c\0", "12345\0", "a/d\0", "TRAILER!!!\0"]
        .map(|name| text.find(name).unwrap_or_else(|| panic!("{name} is missing")));
    assert!(places.is_sorted(), "{places:?}");
    // Mode, owner, group, links, time, size of the file.
    assert!(text.contains("000081ed0000000000000000000000010000000000000005"), "{text}");
}
