//! What a port owes whose other end comes and goes.

use crate::{Bench, close, inside, options};
use kumiki::dpdk::Mbuf;
use kumiki::packet::{Burst, PacketAlloc, PacketBuf, PortRx, PortTx};
use kumiki::ports::DeviceSpec;
use kumiki::ports::dpdk::{OpenOptions, OpenPort, open};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Long enough to find the other end and to agree with it.
const PATIENCE: Duration = Duration::from_secs(15);

/// Client and server are two processes elsewhere. The driver knows sockets by their names, one
/// process's in one table, hence another name for each.
fn memif(bench: &Bench, folder: &Path, role: &str) -> OpenPort {
    let name = if role == "client" { "./c0.memif" } else { "c0.memif" };
    let spec = DeviceSpec::Memif(format!("{}/{name},role={role}", folder.display()));
    open(&bench.eal, &spec, &OpenOptions { mtu: 1500, ..options() }, bench.pool).unwrap()
}

fn is_up(port: &OpenPort) -> bool {
    port.stats.link().is_some_and(|link| link.is_up)
}

/// Sends and polls as a worker does, until a frame got through.
fn pass(bench: &mut Bench, from: &mut OpenPort, to: &mut OpenPort) {
    let began = Instant::now();
    let (out, into) = (from.queues.first_mut().unwrap(), to.queues.first_mut().unwrap());
    loop {
        let mut burst = Burst::<Mbuf>::new();
        let mut packet = bench.alloc.alloc().unwrap();
        packet.append(&[0x5a; 9014]).unwrap();
        burst.push(packet).unwrap();
        out.tx.send(&mut burst);
        let mut arrived = Burst::<Mbuf>::new();
        out.rx.receive(&mut arrived);
        if into.rx.receive(&mut arrived) > 0 {
            let lengths: Vec<_> = arrived.drain().map(|packet| packet.len()).collect();
            return assert_eq!(lengths.first(), Some(&9014));
        }
        assert!(began.elapsed() < PATIENCE, "nothing arrives");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_memif_whose_other_end_is_missing_is_a_port_without_link() {
    inside("memif::a_memif_whose_other_end_is_missing_is_a_port_without_link", || {
        let mut bench = Bench::new();
        let folder = tempfile::tempdir().unwrap();
        let mut client = memif(&bench, folder.path(), "client");
        assert!(!is_up(&client));
        let pair = client.queues.first_mut().unwrap();
        assert_eq!(pair.rx.receive(&mut Burst::<Mbuf>::new()), 0);
        let mut server = memif(&bench, folder.path(), "server");
        pass(&mut bench, &mut client, &mut server);
        pass(&mut bench, &mut server, &mut client);
        assert!(is_up(&client) && is_up(&server));
        close(client);
        close(server);
    });
}

#[test]
fn a_memif_finds_its_other_end_again() {
    inside("memif::a_memif_finds_its_other_end_again", || {
        let mut bench = Bench::new();
        let folder = tempfile::tempdir().unwrap();
        // A server that was killed leaves its socket behind.
        drop(UnixListener::bind(folder.path().join("c0.memif")).unwrap());
        let mut server = memif(&bench, folder.path(), "server");
        let mut client = memif(&bench, folder.path(), "client");
        pass(&mut bench, &mut client, &mut server);
        close(server);
        let mut server = memif(&bench, folder.path(), "server");
        pass(&mut bench, &mut client, &mut server);
        close(client);
        let mut client = memif(&bench, folder.path(), "client");
        pass(&mut bench, &mut client, &mut server);
        close(client);
        close(server);
    });
}
