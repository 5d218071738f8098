//! One guest: the emulator's process, a cable into a namespace, and the words with it.
//!
//! Owns [`Guest`]. Its NIC has no offloads, so that what is on the cable is what would be on one of
//! copper, checksums included, and takes frames of 9000 octets. What the kernel of the guest says
//! goes to a file, which is printed where the guest does not answer.
//!
//! *Invariants*: it ends with its value. A command that does not end in time fails the test.

use super::QEMU;
use super::image::{Image, MARK, READY};
use kumiki::os::namespace::{Namespace, die_with_parent};
use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a guest may take to boot or to carry out a command on a busy machine: an emulated
/// processor is twenty times slower than a real one, and shares it.
const PATIENCE: Duration = Duration::from_secs(180);

/// Where a guest is to run.
pub struct Site<'a> {
    pub directory: &'a Path,
    pub space: &'a Namespace,
    /// The device in the namespace that its NIC is behind.
    pub device: &'a str,
    /// The last octet of its MAC.
    pub number: u8,
}

/// A guest that runs.
pub struct Guest {
    child: Child,
    words: RefCell<ChildStdin>,
    lines: Receiver<String>,
    console: PathBuf,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a device that a guest's NIC can be behind.
pub fn make_device(space: &Namespace, device: &str) {
    in_space(space, &format!("ip tuntap add dev {device} mode tap"));
    in_space(space, &format!("ip link set {device} mtu 9000 up"));
}

/// Runs a command in a namespace; it must succeed.
pub fn in_space(space: &Namespace, words: &str) -> String {
    let mut words_of = words.split(' ');
    let mut command = Command::new(words_of.next().unwrap());
    command.args(words_of);
    space.start_inside(&mut command);
    let output = command.output().unwrap_or_else(|error| panic!("{words}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Guest {
    /// Starts a guest; [`Self::wait`] waits for it.
    pub fn start(image: &Image, site: &Site<'_>) -> Self {
        let name = format!("guest-{}", site.number);
        let console = site.directory.join(format!("{name}.log"));
        let disk = site.directory.join(format!("{name}.cpio"));
        image.write(&disk);
        let mut command = Command::new(QEMU);
        command
            .args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "192M"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .arg("-kernel")
            .arg(&image.kernel)
            .arg("-initrd")
            .arg(disk)
            .args(["-append", "console=ttyS0 loglevel=4 panic=-1 random.trust_cpu=on"])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-chardev", "stdio,id=words,signal=off", "-serial", "chardev:words"])
            .args(nic(site))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        site.space.start_inside(&mut command);
        die_with_parent(&mut command, 9);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{QEMU}: {error}"));
        let (sender, lines) = channel();
        let said = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let lines = said.lines().map_while(Result::ok);
            // The test may have ended before the guest.
            lines.for_each(|line| drop(sender.send(line)));
        });
        let words = RefCell::new(child.stdin.take().unwrap());
        Self { child, words, lines, console }
    }

    /// Waits until the guest carries out commands.
    pub fn wait(self) -> Self {
        self.until(READY);
        self
    }

    /// What the guest says before a line that begins so, and the rest of that line.
    fn until(&self, mark: &str) -> (String, String) {
        let (mut said, end) = (String::new(), Instant::now() + PATIENCE);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let console = std::fs::read(&self.console).unwrap_or_default();
                println!("---- {}\n{}", self.console.display(), String::from_utf8_lossy(&console));
                panic!("the guest does not say `{mark}`, but: {said}");
            };
            let line = line.trim_end_matches('\r');
            match line.strip_prefix(mark) {
                Some(rest) => return (said.trim_end().to_owned(), rest.to_owned()),
                None => said = said + line + "\n",
            }
        }
    }

    /// Carries out a command of the shell: whether it succeeded, and what it said.
    pub fn tell(&self, command: &str) -> (bool, String) {
        assert!(!command.contains('\n'), "a command is a line");
        writeln!(self.words.borrow_mut(), "{command}").unwrap();
        let (said, code) = self.until(MARK);
        (code == "0", said)
    }

    /// Carries out a command that must succeed; what it said.
    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        let (is_good, said) = self.tell(command);
        assert!(is_good, "in the guest: {command}: {said}");
        said
    }
}

/// A NIC whose frames are whole: neither checksums nor segments are left to somebody else.
fn nic(site: &Site<'_>) -> [String; 4] {
    let off = ["csum", "guest_csum", "gso", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo"];
    let off = off.into_iter().chain(["host_tso4", "host_tso6", "host_ecn", "host_ufo"]);
    let off: String = off.map(|name| format!(",{name}=off")).collect();
    let (device, number) = (site.device, site.number);
    [
        "-netdev".to_owned(),
        format!("tap,id=net,ifname={device},script=no,downscript=no,vhost=off"),
        "-device".to_owned(),
        format!(
            "virtio-net-pci,netdev=net,mac=02:00:00:00:00:{number:02x},host_mtu=9000,romfile={off}"
        ),
    ]
}
